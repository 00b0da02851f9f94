"""A Ray cluster with token authentication."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("RAY IS NOT INSTALLED: see make test-cluster", allow_module_level=True)

from caikit_nb.backends.ray_backend import RayBackend
from caikit_nb.errors import BackendError
from caikit_nb.jobs.executor import JobExecutor
from tests.backends.ray_cluster import ray_cluster
from tests.backends.waiting import WAIT_S

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

TOKEN = "a" * 64


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as address:
        yield address


def test_who_has_the_token_is_let_in(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path))
    with JobExecutor(backend=RayBackend({"address": address, "token": TOKEN})) as executor:
        assert executor.submit(sum, [1, 2, 3]).result(WAIT_S) == 6
        executor.close()


@pytest.mark.parametrize("settings", [{}, {"token": "b" * 64}], ids=["none", "another"])
def test_who_has_not_is_told_in_one_line(address: str, settings: dict[str, str]) -> None:
    with pytest.raises(BackendError, match="token") as told:
        RayBackend({"address": address, **settings}).start()
    assert "\n" not in str(told.value)
    assert "a" * 64 not in str(told.value)
