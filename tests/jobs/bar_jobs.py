"""Jobs whose bars are looked at."""

from __future__ import annotations

from typing import Any

import pytest

from caikit_nb.execution import fork_rule
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from tests.waiting import until

METHODS = ["fork", "forkserver", "spawn", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def start(executor: JobExecutor, method: str, function: Any, *arguments: Any) -> JobFuture:
    """Submit a call."""
    if method == "fork":  # rich waits for none of its own
        until(
            lambda: fork_rule._foreign_threads() is None, "the threads of earlier displays to end"
        )
    return executor.submit_function(JobOptions(start_method=method), function, arguments, {})


def run(executor: JobExecutor, method: str, function: Any, *arguments: Any) -> JobFuture:
    """Run a call to its end, which is a good one."""
    future = start(executor, method, function, *arguments)
    assert future.wait(120)
    future.result()
    return future


def facts(future: JobFuture) -> list[tuple[str, float, float | None, bool]]:
    """What its bars say, without their times."""
    return [(bar.desc, bar.n, bar.total, bar.closed) for bar in future.progress]
