"""The places where jobs run (contracts B11)."""

from __future__ import annotations

from caikit_nb.backends import backend_types
from caikit_nb.backends.base import BackendBase
from caikit_nb.backends.inline_backend import InlineBackend
from caikit_nb.backends.local_backend import LocalBackend

__all__ = ["BackendBase", "InlineBackend", "LocalBackend", "backend_types"]
