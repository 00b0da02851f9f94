"""Executors whose files lie in the test's own directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.submission import SessionHooks
from tests.fifo import Fifo


@pytest.fixture(autouse=True)
def sessions_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sessions"
    monkeypatch.setenv("CAIKIT_NB_DIR", str(path))
    return path


@pytest.fixture
def executor() -> Iterator[JobExecutor]:
    # Of a notebook's session, where jobs are kept.
    made = JobExecutor(max_workers=2, hooks=SessionHooks())
    yield made
    made.close()


@pytest.fixture
def held(tmp_path: Path) -> Fifo:
    """A job that hears it waits until the test says something."""
    return Fifo(tmp_path / "held")
