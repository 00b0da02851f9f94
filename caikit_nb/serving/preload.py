"""Imports what models are made of; for the process that the processes of loads are forked from."""

from __future__ import annotations

import contextlib
import importlib

from caikit_nb.serving import loading
from caikit_nb.serving.loaders.loader_types import loaders

__all__ = ["loading"]

for _loader in loaders():
    for _name in _loader.modules if _loader.is_killable else ():
        with contextlib.suppress(Exception):  # a package that is broken or missing
            importlib.import_module(_name)
