"""A Dask cluster keeps the contract of backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from caikit_nb.backends import BackendBase
from caikit_nb.testing.backend_contract import BackendContract
from tests.backends.dask_cluster import cluster
from tests.lazy import Lazy

dask_backend = Lazy("caikit_nb.backends.dask_backend")


@pytest.fixture(autouse=True, scope="module")
def on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with cluster(tmp_path_factory.mktemp("dask")) as running:
        TestDask.address = running.address
        yield


class TestDask(BackendContract):
    address: ClassVar[str]

    def make_backend(self) -> BackendBase:
        return dask_backend.DaskBackend({"address": self.address})
