"""CPython's own tests of ``concurrent.futures`` pass with `JobExecutor`.

Where it differs from the standard library's executors on purpose, DIFFERENCES says why.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs import cpython_futures

ROOT = Path(__file__).parents[2]
_FEWEST = 80

DIFFERENCES = {
    "there is no pool to look into (_threads, _processes): each job has its own": [
        "*ExecutorTest.test_default_workers",
        "*ExecutorTest.test_idle_*_reuse*",
        "*ExecutorTest.test_killed_child",
        "*ExecutorTest.test_max_tasks_per_child*",
        "*ExecutorTest.test_saturation",
        "*ExecutorTest.test_failed_worker_replacement_breaks_pool",
        "*ExecutorTest.test_*_max_tasks_*",
        "*DeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full",
        "*ShutdownTest.test_context_manager_shutdown",
        "*ShutdownTest.test_shutdown_gh_132969_case_*",
        "*ShutdownTest.test_del_shutdown",
        "*ShutdownTest.test_processes_terminate",
        "*ShutdownTest.test_shutdown_no_wait",
        "*ShutdownTest.test_thread_names_*",
        "*ShutdownTest.test_threads_terminate",
    ],
    "they start an interpreter, in which they try the standard library's executors": [
        "*.test_cancel_futures_wait_false",
        "*.test_hang_gh83386",
        "*.test_hang_gh94440",
        "*.test_python_finalization_error",
        "*.test_interpreter_shutdown",
        "*.test_submit_after_interpreter_shutdown",
    ],
    "JobExecutor.close ends its jobs: it has no terminate_workers and no kill_workers": [
        "*ExecutorTest.test_force_shutdown_*",
        "*ExecutorTest.test_kill_workers",
        "*ExecutorTest.test_terminate_workers",
    ],
    "a job is forked as it is submitted, and many have ended when the last one is": [
        "ProcessPoolForkProcessPoolShutdownTest.test_cancel_futures",
    ],
    "a forked copy has all that its parent's callers hold": [
        "ProcessPoolForkProcess*.test_ressources_gced_in_workers",
    ],
    "nothing is forked beside a job that runs in a thread": [
        "ThreadPoolExecutorTest.test_hang_global_shutdown_lock",
        "ThreadPoolExecutorTest.test_process_fork_from_a_threadpool",
    ],
    "an error's cause is the RemoteTraceback of caikit_nb": [
        "*ExecutorTest.test_traceback",
    ],
    "a job that dies is a JobDiedError, and breaks no other: there is no BrokenProcessPool": [
        "*DeadlockTest.test_crash_*",
        "*DeadlockTest.test_error_at_task_unpickle",
        "*DeadlockTest.test_exit_at_task_unpickle",
        "*DeadlockTest.test_*_during_result_unpickle_in_result_handler",
        "*DeadlockTest.test_shutdown_deadlock",
        "*ExecutorTest.test_broken_process_pool_traceback",
    ],
    "what can't be pickled is said as it is submitted": [
        "*DeadlockTest.test_error_at_task_pickle",
        "*DeadlockTest.test_shutdown_deadlock_pickle",
    ],
    "an initializer runs before each call: its error is that call's, and breaks no other": [
        "*FailingInitializer*",
    ],
}


def ended_tests(left_out: list[str]) -> dict[str, dict[str, str]]:
    """How each has ended, by name; one that doesn't end costs the others nothing."""
    ended: dict[str, dict[str, str]] = {}
    while True:
        done = subprocess.run(
            [sys.executable, "-m", cpython_futures.__name__, *left_out, *ended],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        ended |= {each["test"]: each for each in told if each["how"] != "began"}
        if not told or told[-1]["how"] != "began":
            assert done.returncode == 0, done.stderr
            return ended
        ended[told[-1]["test"]] = {"how": "hung", "why": done.stderr}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_cpythons_own_tests_pass_but_for_the_differences() -> None:
    if importlib.util.find_spec(cpython_futures.PACKAGE) is None:
        pytest.skip("this Python was installed without its own tests")
    left_out = [pattern for patterns in DIFFERENCES.values() for pattern in patterns]
    ended = ended_tests(left_out)
    wrong = {name: test for name, test in ended.items() if test["how"] in ("failed", "hung")}
    assert not wrong, "\n".join(
        f"{name} {told['how']}: {told['why']}" for name, told in wrong.items()
    )
    assert sum(test["how"] == "passed" for test in ended.values()) >= _FEWEST
