"""This machine's threads and processes keep the contract of backends."""

from __future__ import annotations

from caikit_nb.backends import BackendBase, LocalBackend
from caikit_nb.testing.backend_contract import BackendContract


class _Local(BackendContract):
    def make_backend(self) -> BackendBase:
        return LocalBackend()


class TestFork(_Local):
    start_method = "fork"


class TestForkserver(_Local):
    start_method = "forkserver"


class TestSpawn(_Local):
    start_method = "spawn"


class TestThread(_Local):
    start_method = "thread"
