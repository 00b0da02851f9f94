"""A Ray cluster keeps the contract of backends."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("RAY IS NOT INSTALLED: see make test-cluster", allow_module_level=True)

from caikit_nb.backends import BackendBase
from caikit_nb.backends.ray_backend import RayBackend
from caikit_nb.testing.backend_contract import BackendContract
from tests.backends.ray_cluster import ray_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True, scope="module")
def on_loopback() -> Iterator[None]:
    with ray_cluster() as address:
        TestRay.address = address
        yield


class TestRay(BackendContract):
    address: str

    def make_backend(self) -> BackendBase:
        return RayBackend({"address": self.address})
