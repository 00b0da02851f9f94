"""A job over a gibibyte, and a job that gives one back."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

import caikit_nb

Call = Callable[[], float | None]
SIZE_BYTES = 1 << 30

# What the user has in the kernel.
array: Any = None


def _fill() -> None:
    global array
    array = np.ones(SIZE_BYTES // 8)


def last(values: Any) -> float:
    """The job: looks at the array, and costs nothing itself."""
    return float(values[-1])


def last_here() -> float:
    return last(array)


def whole() -> Any:
    """The job that gives the array back."""
    return array


def _write_to(result: Any) -> None:
    """The result belongs to who asked for it: writable, its last page changed."""
    assert result.nbytes == SIZE_BYTES
    result[-1] = 2.0


def _timed(call: Callable[[], object]) -> float:
    """How long a call takes, without the time to free what it gave."""
    start = time.perf_counter()
    result = call()
    took_s = time.perf_counter() - start
    del result
    return took_s


@contextmanager
def in_ours() -> Iterator[Call]:
    _fill()
    executor = caikit_nb.JobExecutor(start_method="fork")
    executor.submit(int).result()
    yield lambda: _timed(lambda: executor.submit(last, array).result())
    executor.close()


@contextmanager
def in_fork_and_wait() -> Iterator[Call]:
    _fill()

    def call() -> None:
        pid = os.fork()
        if pid == 0:
            last_here()
            os._exit(0)
        os.waitpid(pid, 0)

    yield call


@contextmanager
def in_executor() -> Iterator[Call]:
    _fill()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(int).result()
        yield lambda: _timed(lambda: pool.submit(last, array).result())


@contextmanager
def in_loky() -> Iterator[Call]:
    from loky import get_reusable_executor

    _fill()
    pool = get_reusable_executor(max_workers=1)
    pool.submit(int).result()
    yield lambda: _timed(lambda: pool.submit(last, array).result())
    pool.shutdown()


@contextmanager
def in_ray() -> Iterator[Call]:
    import ray

    _fill()
    _start_ray(ray)
    remote = ray.remote(last)
    ray.get(remote.remote(np.ones(1)))
    yield lambda: _timed(lambda: ray.get(remote.remote(array)))
    ray.shutdown()


@contextmanager
def in_dask() -> Iterator[Call]:
    from distributed import Client

    _fill()
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        client.submit(int).result()

        def call() -> object:
            return client.submit(last, client.scatter(array, hash=False), pure=False).result()

        yield lambda: _timed(call)


@contextmanager
def out_ours() -> Iterator[Call]:
    _fill()
    executor = caikit_nb.JobExecutor(start_method="fork")
    executor.submit(int).result()

    def call() -> object:
        result = executor.submit(whole).result()
        _write_to(result)
        return result

    yield lambda: _timed(call)
    executor.close()


@contextmanager
def out_fill() -> Iterator[Call]:
    """The limit: as much fresh memory, filled."""
    yield lambda: _timed(lambda: np.full(SIZE_BYTES // 8, 1.0))


@contextmanager
def out_copy() -> Iterator[Call]:
    """The limit: one copy."""
    _fill()
    yield lambda: _timed(lambda: array.copy())


@contextmanager
def out_ray() -> Iterator[Call]:
    """Read-only, from an actor that has the array."""
    import ray

    _start_ray(ray)

    class Owner:
        def __init__(self) -> None:
            self.array = np.ones(SIZE_BYTES // 8)

        def whole(self) -> Any:
            return self.array

    owner = ray.remote(Owner).remote()
    ray.get(owner.__ray_ready__.remote())
    yield lambda: _timed(lambda: ray.get(owner.whole.remote()))
    ray.shutdown()


@contextmanager
def out_executor() -> Iterator[Call]:
    _fill()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(int).result()
        yield lambda: _timed(lambda: pool.submit(whole).result())


def _start_ray(ray: Any) -> None:
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=5 * SIZE_BYTES // 2,
    )
