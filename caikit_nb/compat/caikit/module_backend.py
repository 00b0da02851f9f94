"""This machine as a module backend of caikit."""

from __future__ import annotations

import caikit.core.module_backends.base as caikit_base

from caikit_nb.backends.local_backend import LocalBackend
from caikit_nb.compat.caikit.names import TYPE


class ModuleBackend(LocalBackend, caikit_base.BackendBase):
    """`LocalBackend` for caikit's initializer (contracts B1 to B6).

    A module that is loaded with it gets it as ``load_backend``, and may `submit` tasks to it:
    they run in threads and processes of this machine that end with it.
    """

    backend_type = TYPE
