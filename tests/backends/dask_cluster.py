"""A Dask cluster whose scheduler and workers are processes of their own, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from tests.backends.two_hosts import Host
from tests.lazy import Lazy
from tests.waiting import until

distributed = Lazy("distributed")

ROOT = Path(__file__).resolve().parents[2]
START_S = 180.0


class Cluster:
    """A scheduler and its workers; a context manager.

    Args:
        home: A folder for their files.
        workers: How many workers to begin with.
        arguments: What else each worker is told.
        environment: Variables beside those of this process.
        host: Where the scheduler and the workers run; None for this machine's loopback.

    Attributes:
        address: The scheduler's.
    """

    def __init__(
        self,
        home: Path,
        workers: int = 1,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        host: Host | None = None,
    ) -> None:
        self._host = host
        self.home, self._count, self._arguments = home, workers, arguments
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        told = self.home / "scheduler.json"
        self.scheduler = self._start(
            self._host,
            "scheduler", "--host", _address(self._host), "--port", "0", "--no-dashboard",
            "--scheduler-file", str(told),
        )  # fmt: skip
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.file = told
            self._wait_for_file(told)
            self.address = str(json.loads(told.read_text())["address"])
            for _ in range(self._count):
                self.add_worker(*self._arguments)
            if self._count:
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

    def add_worker(self, *arguments: str, host: Host | None = None) -> subprocess.Popen[bytes]:
        """One more worker, without a nanny: nobody starts it again when it is killed."""
        name = f"worker-{len(self.workers)}"
        worker = self._start(
            host or self._host,
            "worker", self.address, "--name", name, "--nthreads", "8", "--no-nanny",
            "--no-dashboard", "--host", _address(host or self._host),
            "--local-directory", str(self.home), *arguments,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for(self, count: int) -> None:
        """Wait until it has so many workers."""
        with distributed.Client(self.address, timeout=START_S, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=START_S)

    def close(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, host: Host | None, *command: str) -> subprocess.Popen[bytes]:
        log = (self.home / f"{command[0]}-{len(self.workers)}.log").open("wb")
        with log:
            return subprocess.Popen(
                [*(() if host is None else host.enter), sys.executable, "-m", "dask", *command],
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
                env=self._environment,
            )

    def _wait_for_file(self, path: Path) -> None:
        def is_written() -> bool:
            assert self.scheduler.poll() is None, (self.home / "scheduler-0.log").read_text()
            return path.exists() and path.read_text().endswith("}")

        until(is_written, "the scheduler to start", START_S)


def _address(host: Host | None) -> str:
    return "127.0.0.1" if host is None else host.address


@contextlib.contextmanager
def cluster(
    home: Path, workers: int = 1, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A running cluster."""
    with Cluster(home, workers, arguments, environment) as running:
        yield running
