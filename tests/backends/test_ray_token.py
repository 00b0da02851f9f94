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
from tests.waiting import WAIT_S

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

TOKEN, ANOTHER = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as address:
        yield address


@pytest.fixture(autouse=True)
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ray looks for this user's token; there is none yet."""
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "auth_token"))
    return tmp_path / "auth_token"


def adds_up(settings: dict[str, str]) -> bool:
    with JobExecutor(backend=RayBackend(settings)) as executor:
        result = executor.submit(sum, [1, 2, 3]).result(WAIT_S)
        executor.close()
    return bool(result == 6)


def test_who_has_the_token_is_let_in(address: str) -> None:
    assert adds_up({"address": address, "token": TOKEN})


def test_the_users_own_token_is_found_where_ray_keeps_it(address: str, token_file: Path) -> None:
    token_file.write_text(TOKEN)
    assert adds_up({"address": address})


def test_a_token_that_nobody_asks_for_does_no_harm(token_file: Path) -> None:
    token_file.write_text(TOKEN)
    with ray_cluster() as address:
        assert adds_up({"address": address})


@pytest.mark.parametrize("settings", [{}, {"token": ANOTHER}], ids=["none", "another"])
def test_who_has_not_is_told_in_one_line(address: str, settings: dict[str, str]) -> None:
    with pytest.raises(BackendError, match="wants a token") as told:
        RayBackend({"address": address, **settings}).start()
    assert "\n" not in str(told.value)
    assert TOKEN not in str(told.value)
    assert ANOTHER not in str(told.value)
