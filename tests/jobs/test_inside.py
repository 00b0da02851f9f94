"""What code inside a job can ask and tell."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy
import pytest

import caikit_nb
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.inside import Teller
from caikit_nb.jobs.options import JobOptions

METHODS = ["fork", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def run(executor: JobExecutor, method: str, function: Any, **options: Any) -> Any:
    return executor.submit_function(JobOptions(start_method=method, **options), function, (), {})


def describe() -> tuple[Any, ...]:
    job = caikit_nb.current_job()
    assert job is not None
    return job.id, job.name, dict(job.params), job.attempt


def log_some() -> None:
    for step in range(5):
        caikit_nb.log_metric(loss=1 / (step + 1))
    caikit_nb.log_metric(step=10, loss=0.5, acc=numpy.float32(0.25))
    caikit_nb.log_metric(loss=numpy.array([0.125]))


@every_method
def test_a_job_knows_itself(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, describe, name="train", params={"rate": 0.1})
    assert future.result(120) == (future.id, "train", {"rate": 0.1}, 1)


def test_there_is_no_job_outside(executor: JobExecutor) -> None:
    assert caikit_nb.current_job() is None
    assert run(executor, "thread", describe).result(120)
    assert caikit_nb.current_job() is None


@every_method
def test_metrics_come_home_in_order(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, log_some)
    assert future.wait(120)
    assert [step for step, _ in future.metrics["loss"]] == [0, 1, 2, 3, 4, 10, 11]
    assert future.metrics["acc"] == [(10, 0.25)]


def test_metrics_outside_jobs_have_no_effect() -> None:
    caikit_nb.log_metric(loss=1.0)
    caikit_nb.log_metric(loss="anything")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["0.3", None, [1], numpy.array([1, 2]), 1j])
def test_a_metric_that_is_no_number_is_named(executor: JobExecutor, value: Any) -> None:
    future = run(executor, "thread", lambda: caikit_nb.log_metric(loss=value))
    with pytest.raises(TypeError, match="loss must be a number"):
        future.result(120)


def test_a_refused_metric_logs_none_of_its_call(executor: JobExecutor) -> None:
    future = run(executor, "thread", lambda: caikit_nb.log_metric(a=1, b="x"))  # type: ignore[arg-type]
    assert future.wait(120)
    assert dict(future.metrics) == {}


@every_method
def test_a_helper_thread_of_a_process_job_may_log(executor: JobExecutor, method: str) -> None:
    def log_in_thread() -> None:
        helper = threading.Thread(target=caikit_nb.log_metric, kwargs={"loss": 1.0})
        helper.start()
        helper.join()

    future = run(executor, method, log_in_thread)
    assert future.wait(120)
    assert dict(future.metrics) == ({} if method == "thread" else {"loss": [(0, 1.0)]})


def test_a_process_forked_while_the_timer_sends_does_not_hang() -> None:
    class Port:
        def send(self, message: Any) -> None:
            """Nobody listens."""

    teller = Teller(Port(), lambda items: {"items": items})
    with teller._lock:
        pid = os.fork()
        if pid == 0:
            teller.tell(1, 1)
            teller.flush()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0


def test_many_metrics_are_sent_in_few_messages() -> None:
    sent: list[Any] = []

    class Port:
        def send(self, message: Any) -> None:
            sent.append(message)

    teller = Teller(Port(), lambda items: {"items": items})
    for number in range(10_000):
        teller.tell(number, number)
    teller.flush()
    assert [item for message in sent for item in message["items"]] == list(range(10_000))
    assert len(sent) < 40
