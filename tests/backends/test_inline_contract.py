"""The inline backend keeps the contract of backends, but for returning at once."""

from __future__ import annotations

from caikit_nb.backends import BackendBase, InlineBackend
from caikit_nb.testing.backend_contract import BackendContract


class TestInline(BackendContract):
    def make_backend(self) -> BackendBase:
        return InlineBackend()
