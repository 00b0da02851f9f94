"""Every future answers, whatever meets in its last moments: many runs, no two alike."""

from __future__ import annotations

import concurrent.futures
import random
import threading
from typing import Any

import pytest

from caikit_nb.errors import JobResultExpired, JobTimeoutError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.waiting import until

pytestmark = pytest.mark.own_process

_AT_ONCE = 100
_ANSWER_S = 180.0


def returned() -> int:
    return 42


def failed() -> int:
    raise KeyError("wrong")


_ANSWERS = {
    JobStatus.COMPLETED: (int, JobResultExpired),
    JobStatus.ERRORED: (KeyError, JobTimeoutError, JobResultExpired),
    JobStatus.CANCELED: (concurrent.futures.CancelledError,),
}


def submit_some(executor: JobExecutor, method: str, count: int, chosen: random.Random) -> list[Any]:
    futures = []
    for _ in range(count):
        timeout = chosen.random() / 200 if chosen.random() < 0.2 else None
        retain = chosen.choice([None, "0s", "1s"])
        options = JobOptions(start_method=method, timeout=timeout, retain=retain)
        function = returned if chosen.random() < 0.8 else failed
        futures.append(executor.submit_function(options, function, (), {}))
    return futures


class Meddler(threading.Thread):
    """Cancels some of them, and listens to all."""

    def __init__(self, futures: list[JobFuture], seed: int) -> None:
        super().__init__(daemon=True)
        self._futures, self._chosen = list(futures), random.Random(seed)
        self._chosen.shuffle(self._futures)
        self.told: list[JobFuture] = []

    def run(self) -> None:
        for future in self._futures:
            if self._chosen.random() < 0.4:
                future.cancel()
            future.add_done_callback(self.told.append)
            if self._chosen.random() < 0.1:
                threading.Event().wait(self._chosen.random() / 1000)


def check(futures: list[JobFuture]) -> None:
    for future in futures:
        try:
            answer: Any = future.result(_ANSWER_S)
        except TimeoutError as late:
            # JobTimeoutError is a TimeoutError, too.
            assert future.done(), f"no answer from {future}"
            answer = late
        except BaseException as error:
            answer = error
        assert future.wait(_ANSWER_S), f"no end of {future}"
        assert isinstance(answer, _ANSWERS[future.status]), (future, answer)
        assert future.cancelled() is (future.status is JobStatus.CANCELED)
    done, pending = concurrent.futures.wait(futures, _ANSWER_S)
    assert (len(done), len(pending)) == (len(futures), 0)


def run_batch(method: str, count: int, seed: int) -> None:
    chosen = random.Random(seed)
    executor = JobExecutor(max_workers=chosen.choice([1, 2, 4]))
    futures = submit_some(executor, method, count, chosen)
    meddlers = [Meddler(futures, seed + number) for number in (1, 2)]
    for meddler in meddlers:
        meddler.start()
    if chosen.random() < 0.3:
        executor.shutdown(wait=chosen.random() < 0.5, cancel_futures=True)
    if chosen.random() < 0.1:
        executor.close()
    check(futures)
    for meddler in meddlers:
        meddler.join(_ANSWER_S)
        assert not meddler.is_alive()
    for meddler in meddlers:
        until(lambda told=meddler.told: len(told) >= len(futures))
        assert sorted(map(id, meddler.told)) == sorted(map(id, futures))
    executor.close()


def many(count: int, minutes: float) -> Any:
    marks = [pytest.mark.slow, pytest.mark.timeout(60 * minutes)]
    return pytest.param(count, id=str(count), marks=marks)


@pytest.mark.parametrize("count", [1000, many(100_000, 30)])
def test_in_threads(count: int) -> None:
    for seed in range(count // _AT_ONCE):
        run_batch("thread", _AT_ONCE, seed)


@pytest.mark.parametrize("count", [100, many(4000, 30)])
def test_in_forked_copies(count: int) -> None:
    for seed in range(count // 20):
        run_batch("fork", 20, seed)
