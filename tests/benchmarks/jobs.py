"""Empty jobs: one after another, and many at once."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import caikit_nb
from caikit_nb.execution.destroyable_process import DestroyableProcess

Call = Callable[[], object]
MANY = 300
WORKERS = 2


def nothing() -> None:
    """The empty job."""


@contextmanager
def ours(start_method: str = "fork") -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(max_workers=WORKERS, start_method=start_method)
    yield lambda: quiet(executor.submit(nothing).result())
    executor.close()


@contextmanager
def ours_forkserver() -> Iterator[Call]:
    """Warm, as %load_ext leaves it."""
    from IPython import get_ipython

    get_ipython().run_line_magic("load_ext", "caikit_nb")
    with ours("forkserver") as call:
        yield call


@contextmanager
def ours_with_card() -> Iterator[Call]:
    """As %%caikit_job and caikit_nb.submit do it in a notebook."""
    from IPython import get_ipython

    get_ipython().run_line_magic("load_ext", "caikit_nb")
    settings = caikit_nb.options(start_method="fork")
    yield lambda: quiet(settings.submit(nothing).result())


@contextmanager
def our_process() -> Iterator[Call]:
    yield lambda: _run(DestroyableProcess("fork", nothing, return_result=True))


@contextmanager
def caikit_process() -> Iterator[Call]:
    from caikit.core.toolkit.concurrency.destroyable_process import DestroyableProcess as Theirs

    event = multiprocessing.get_context("fork").Event
    yield lambda: _run(Theirs("fork", nothing, completion_event=event(), return_result=True))


def _run(process: Any) -> None:
    process.start()
    process.join()
    process.get_or_throw()


@contextmanager
def fork_and_wait() -> Iterator[Call]:
    def call() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    yield call


def _answer(write: Any) -> None:
    write.send(nothing())


def _start_plain() -> tuple[Any, Any]:
    context = multiprocessing.get_context("fork")
    read, write = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(write,))
    process.start()
    write.close()
    return process, read


def _end_plain(process: Any, read: Any) -> None:
    read.recv()
    read.close()
    process.join()


@contextmanager
def plain_fork() -> Iterator[Call]:
    yield lambda: _end_plain(*_start_plain())


@contextmanager
def plain_forkserver() -> Iterator[Call]:
    context = multiprocessing.get_context("forkserver")

    def call() -> None:
        process = context.Process(target=nothing)
        process.start()
        process.join()

    yield call


@contextmanager
def new_interpreter() -> Iterator[Call]:
    """With NumPy, as a job of a kernel that has it."""
    code = "import numpy.random"
    yield lambda: quiet(subprocess.run([sys.executable, "-c", code], check=True))


@contextmanager
def many_ours() -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(max_workers=WORKERS, start_method="fork")

    def call() -> None:
        futures = [executor.submit(nothing) for _ in range(MANY)]
        for future in futures:
            future.result()

    yield call
    executor.close()


@contextmanager
def many_plain_forks() -> Iterator[Call]:
    """As many at a time as there are workers: the oldest is waited for."""

    def call() -> None:
        running: list[tuple[Any, Any]] = []
        for _ in range(MANY):
            if len(running) == WORKERS:
                _end_plain(*running.pop(0))
            running.append(_start_plain())
        for process, read in running:
            _end_plain(process, read)

    yield call


@contextmanager
def executors() -> Iterator[Call]:
    """concurrent.futures: a process that stays."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        yield lambda: quiet(pool.submit(nothing).result())


@contextmanager
def loky() -> Iterator[Call]:
    from loky import get_reusable_executor

    pool = get_reusable_executor(max_workers=WORKERS)
    yield lambda: quiet(pool.submit(nothing).result())
    pool.shutdown()


@contextmanager
def pebble() -> Iterator[Call]:
    """With a process for each call, as a job has one."""
    from pebble import ProcessPool

    context = multiprocessing.get_context("fork")
    with ProcessPool(max_workers=1, max_tasks=1, context=context) as pool:
        yield lambda: quiet(pool.schedule(nothing).result())
        pool.stop()


@contextmanager
def mpire() -> Iterator[Call]:
    from mpire import WorkerPool

    with WorkerPool(n_jobs=WORKERS, start_method="fork") as pool:
        yield lambda: quiet(pool.apply(nothing))


@contextmanager
def ipyparallel() -> Iterator[Call]:
    import ipyparallel as parallel

    with parallel.Cluster(n=1, log_level=40) as engines:
        view = engines[:].client[0]
        yield lambda: quiet(view.apply_sync(nothing))


@contextmanager
def dask() -> Iterator[Call]:
    from distributed import Client

    with Client(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as client:
        yield lambda: quiet(client.submit(nothing, pure=False).result())


@contextmanager
def ray() -> Iterator[Call]:
    import ray as library

    library.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    remote = library.remote(nothing)
    yield lambda: quiet(library.get(remote.remote()))
    library.shutdown()


@contextmanager
def submitit() -> Iterator[Call]:
    import submitit as library

    with tempfile.TemporaryDirectory() as folder:
        executor = library.LocalExecutor(folder)
        yield lambda: quiet(executor.submit(nothing).result())


def quiet(_: object) -> None:
    """What is called must not give its result: that would be a measure."""
