"""A model server asked by a client: both in processes of their own, as they are in use."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import caikit_nb

Call = Callable[[], float]

MODEL = "echo"
REQUESTS = 200
_PROCESS = (sys.executable, "-m", "tests.benchmarks.grpc_processes")


@contextmanager
def infer_ours() -> Iterator[Call]:
    server = caikit_nb.serve(lambda x: x, name=MODEL)
    with _client(server.target) as call:
        yield call
    server.stop()


@contextmanager
def infer_bare_aio() -> Iterator[Call]:
    with _bare("aio") as call:
        yield call


@contextmanager
def infer_bare_threads() -> Iterator[Call]:
    with _bare("threads") as call:
        yield call


@contextmanager
def _bare(kind: str) -> Iterator[Call]:
    with _process(kind) as server, _client(_line(server)) as call:
        yield call


@contextmanager
def _client(target: str) -> Iterator[Call]:
    with _process("client", target) as client:

        def call() -> float:
            """Seconds a request, in the middle of some."""
            client.stdin.write(f"{REQUESTS}\n")
            client.stdin.flush()
            return float(_line(client))

        yield call


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([*_PROCESS, *arguments], stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()  # which is its end


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline()
    assert line, "its process has ended"
    return line.strip()
