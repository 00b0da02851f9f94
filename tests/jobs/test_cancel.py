"""Cancelling: whom it reaches, and how often."""

from __future__ import annotations

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from tests.fifo import Fifo


def count_interrupts(held: Fifo) -> None:
    interrupts = 0
    while True:
        try:
            held.hear()
        except KeyboardInterrupt:
            interrupts += 1
            print(f"interrupted {interrupts}", flush=True)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_cancel_interrupts_once(executor: JobExecutor, method: str, held: Fifo) -> None:
    future = executor.submit_function(
        JobOptions(start_method=method), count_interrupts, (held,), {}
    )
    assert future.status.name == "RUNNING"
    held.say()  # which it hears
    future.cancel()
    assert future.wait(120)
    assert "interrupted 1" in future.logs()
    assert "interrupted 2" not in future.logs()
