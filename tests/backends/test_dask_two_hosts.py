"""A kernel and its Dask workers on two hosts: dropped, partitioned and killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.backends.dask_cluster import ROOT, Cluster
from tests.backends.two_hosts import Cable, Host, two_hosts
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture
def cable() -> Iterator[Cable]:
    with two_hosts() as cable:
        yield cable


class Stage:
    """A cluster on one host and a kernel on the other."""

    def __init__(self, home: Path, cluster: Cluster, kernel: Host, steps: int) -> None:
        self._home, self.cluster = home, cluster
        self.kernel = subprocess.Popen(
            [
                *kernel.enter, sys.executable, "-m", "tests.backends.two_hosts_kernel",
                cluster.address, str(home / "started"), str(steps), str(home / "story"),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CAIKIT_NB_DIR": str(home / "sessions")},
            cwd=ROOT,
        )  # fmt: skip

    def until_it_runs(self) -> None:
        assert self.kernel.stdout is not None
        assert self.kernel.stdout.readline() == b"runs\n"

    def story(self) -> dict[str, Any]:
        """How it went."""
        self.kernel.communicate(timeout=200)
        return json.loads((self._home / "story").read_text())  # type: ignore[no-any-return]

    def pids(self) -> list[int]:
        """The processes that ran the job."""
        return [int(line) for line in (self._home / "started").read_text().split()]


@contextlib.contextmanager
def stage(home: Path, scheduler: Host, worker: Host, kernel: Host, steps: int) -> Iterator[Stage]:
    with Cluster(home, 0, host=scheduler) as cluster:
        cluster.add_worker(host=worker)
        on_stage = Stage(home, cluster, kernel, steps)
        try:
            on_stage.until_it_runs()
            yield on_stage
        finally:
            on_stage.kernel.kill()
            on_stage.kernel.communicate()


def down(cable: Cable, seconds: float) -> None:
    cable.pull()
    time.sleep(seconds)  # a drop lasts as long as it lasts
    cable.plug()


def whole(steps: int) -> str:
    return "".join(f"{step}\n" for step in range(steps))


def test_a_short_drop_is_told_and_nothing_is_lost(cable: Cable, tmp_path: Path) -> None:
    with stage(tmp_path, cable.far, cable.far, cable.near, 200) as on_stage:
        down(cable, 10.0)
        story = on_stage.story()
        assert (story["status"], story["error"]) == ("COMPLETED", None)
        assert story["log"] == whole(200)
        assert any("unreachable since" in remark for remark in story["remarks"])
        assert len(on_stage.pids()) == 1


def test_a_long_drop_ends_honestly(cable: Cable, tmp_path: Path) -> None:
    with stage(tmp_path, cable.far, cable.far, cable.near, 900) as on_stage:
        down(cable, 50.0)
        story = on_stage.story()
        if story["status"] == "COMPLETED":
            assert story["log"] == whole(900)
        else:
            assert story["status"] == "ERRORED"
            assert story["error"].startswith("JobLost: ")
        until(lambda: not any(psutil.pid_exists(pid) for pid in on_stage.pids()), "the job's end")
        assert len(on_stage.pids()) == 1


def test_a_partitioned_worker_ends_its_job_and_the_kernel_says_lost(
    cable: Cable, tmp_path: Path
) -> None:
    with stage(tmp_path, cable.near, cable.far, cable.near, 3000) as on_stage:
        on_stage.cluster.add_worker(host=cable.near)  # Dask may run it anew there
        cable.pull()
        story = on_stage.story()
        assert story["status"] == "ERRORED"
        assert story["error"].startswith("JobLost: ")
        until(lambda: not any(psutil.pid_exists(pid) for pid in on_stage.pids()), "the job's end")
        assert len(on_stage.pids()) == 1


@pytest.mark.parametrize("who", ["worker", "scheduler"])
def test_a_killed_end_is_a_lost_job(cable: Cable, tmp_path: Path, who: str) -> None:
    with stage(tmp_path, cable.far, cable.far, cable.near, 3000) as on_stage:
        cluster = on_stage.cluster
        (cluster.workers[0] if who == "worker" else cluster.scheduler).kill()
        story = on_stage.story()
        assert story["status"] == "ERRORED"
        assert story["error"].startswith("JobLost: ")
        until(lambda: not any(psutil.pid_exists(pid) for pid in on_stage.pids()), "the job's end")


def test_a_killed_kernel_takes_its_job_along(cable: Cable, tmp_path: Path) -> None:
    with stage(tmp_path, cable.far, cable.far, cable.near, 3000) as on_stage:
        on_stage.kernel.kill()
        until(lambda: not any(psutil.pid_exists(pid) for pid in on_stage.pids()), "the job's end")
