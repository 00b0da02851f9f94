"""The executor in the hands of libraries that take any executor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from typing import Any

import pytest
import tqdm
import tqdm.contrib.concurrent

from caikit_nb.jobs.executor import JobExecutor

METHODS = ["fork", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def square(number: int) -> int:
    return number * number


def fail_at_two(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


@every_method
def test_as_completed_gives_each_future_once(method: str) -> None:
    with JobExecutor(2, start_method=method) as executor:
        futures = {executor.submit(square, n): n for n in range(20)}
        seen = {futures[f]: f.result() for f in concurrent.futures.as_completed(futures, 60)}
    assert seen == {n: n * n for n in range(20)}


@every_method
def test_wait_returns_at_the_first_exception(method: str) -> None:
    gate = threading.Event()
    with JobExecutor(4, start_method=method) as executor:
        failing = executor.submit(fail_at_two, 2)
        slow = executor.submit(gate.wait, 30)
        done, not_done = concurrent.futures.wait(
            [failing, slow], 30, concurrent.futures.FIRST_EXCEPTION
        )
        assert done == {failing}
        assert not_done == {slow}
        gate.set()
        slow.cancel()


@every_method
def test_map_raises_the_jobs_error_in_its_turn(method: str) -> None:
    with JobExecutor(2, start_method=method) as executor:
        results = executor.map(fail_at_two, range(4), timeout=180, chunksize=2)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)


def test_map_takes_several_iterables() -> None:
    with JobExecutor(2, start_method="fork") as executor:
        assert list(executor.map(pow, [2, 3], [5, 2])) == [32, 9]


@every_method
def test_an_event_loop_gathers_jobs(method: str) -> None:
    async def gather() -> list[int]:
        loop = asyncio.get_running_loop()
        with JobExecutor(2, start_method=method) as executor:
            return await asyncio.gather(
                *(loop.run_in_executor(executor, square, n) for n in range(5))
            )

    assert asyncio.run(gather()) == [0, 1, 4, 9, 16]


def test_tqdm_maps_with_it() -> None:
    # What thread_map and process_map do with an executor's class.
    mapped: Any = tqdm.contrib.concurrent._executor_map  # type: ignore[attr-defined]
    assert mapped(
        JobExecutor, square, range(6), max_workers=2, tqdm_class=tqdm.tqdm, disable=True
    ) == [0, 1, 4, 9, 16, 25]


def test_dask_computes_with_it() -> None:
    dask = pytest.importorskip("dask")
    total = dask.delayed(sum)([dask.delayed(square)(n) for n in range(5)])
    with JobExecutor(2, start_method="fork") as executor, dask.config.set(scheduler=executor):
        assert total.compute() == 30


def test_scikit_learn_is_trained_in_it() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    data, target = datasets.load_iris(return_X_y=True)
    models = [LogisticRegression(C=c, max_iter=500) for c in (0.1, 1.0)]
    with JobExecutor(2, start_method="fork") as executor:
        futures = [executor.submit(cross_val_score, model, data, target) for model in models]
        assert all(future.result(120).mean() > 0.9 for future in futures)


def remember(value: str) -> None:
    os.environ["REMEMBERED"] = value


def test_an_initializer_runs_before_each_call() -> None:
    with JobExecutor(2, start_method="fork", initializer=remember, initargs=("yes",)) as executor:
        assert executor.submit(os.environ.get, "REMEMBERED").result(120) == "yes"
    assert "REMEMBERED" not in os.environ


def test_shutdown_without_waiting_returns_at_once_and_the_jobs_go_on() -> None:
    gate = threading.Event()
    executor = JobExecutor(1, start_method="thread")
    futures = [executor.submit(gate.wait, 30), executor.submit(square, 3)]
    executor.shutdown(wait=False)
    assert not futures[1].done()
    gate.set()
    assert futures[1].result(120) == 9
    executor.close()
