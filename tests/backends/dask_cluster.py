"""A Dask cluster whose scheduler and workers are processes of their own, on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from distributed import Client

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


class Cluster:
    """A scheduler and its workers; a context manager.

    Args:
        home: A folder for their files.
        workers: How many workers to begin with.
        arguments: What else each worker is told.
        environment: Variables beside those of this process.

    Attributes:
        address: The scheduler's.
    """

    def __init__(
        self,
        home: Path,
        workers: int = 1,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self._count, self._arguments = home, workers, arguments
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        told = self.home / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(told),
        )  # fmt: skip
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.file = told
            self._wait_for_file(told)
            with Client(scheduler_file=str(told), timeout=START_S, set_as_default=False) as client:
                self.address = str(client.scheduler.address)
            for _ in range(self._count):
                self.add_worker(*self._arguments)
            self.wait_for(self._count)
            undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One more worker, without a nanny: nobody starts it again when it is killed."""
        name = f"worker-{len(self.workers)}"
        worker = self._start(
            "worker", self.address, "--name", name, "--nthreads", "8", "--no-nanny",
            "--no-dashboard", "--host", "127.0.0.1",
            "--local-directory", str(self.home), *arguments,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for(self, count: int) -> None:
        """Wait until it has so many workers."""
        with Client(self.address, timeout=START_S, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=START_S)

    def close(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = (self.home / f"{command[0]}-{len(self.workers)}.log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
                env=self._environment,
            )

    def _wait_for_file(self, path: Path) -> None:
        give_up = time.monotonic() + START_S
        while not path.exists():
            assert self.scheduler.poll() is None, (self.home / "scheduler-0.log").read_text()
            assert time.monotonic() < give_up, "the scheduler did not start"


@contextlib.contextmanager
def cluster(
    home: Path, workers: int = 1, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A running cluster."""
    with Cluster(home, workers, arguments, environment) as running:
        yield running
