"""Whatever jobs do, the kernel goes on."""

import os
import signal

import psutil
import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")


@pytest.mark.parametrize("method", METHODS)
def test_cells_run_while_ten_jobs_run(kernel: Kernel, method: str) -> None:
    kernel.do("%config CaikitJobs.max_workers = 10\nimport threading")
    kernel.do(
        f"ten = [caikit_nb.options(start_method={method!r}).submit(__import__('time').sleep, 600)"
        " for _ in range(10)]"
        if method != "thread"
        else "def loop():\n    import time\n    while True: time.sleep(0.05)\n"
        "ten = [caikit_nb.options(start_method='thread').submit(loop) for _ in range(10)]"
    )
    assert kernel.value("[job.status.name for job in ten]") == ["RUNNING"] * 10
    assert kernel.do("print(6 * 7)").text == "42\n"
    kernel.do("for job in ten: job.cancel()\nfor job in ten: job.wait(120)")
    assert kernel.value("[job.status.name for job in ten]") == ["CANCELED"] * 10
    kernel.do("%config CaikitJobs.max_workers = 4")


WAITS = {
    "result": "held.result()",
    "exception": "held.exception()",
    "wait": "held.wait()",
    "magic": "%caikit_jobs wait held",
    "as_completed": "import concurrent.futures\nnext(concurrent.futures.as_completed([held]))",
}


@pytest.mark.parametrize("way", WAITS)
def test_interrupting_a_wait_stops_the_waiting_and_no_job(
    kernel: Kernel, gate: Gate, way: str
) -> None:
    kernel.do(f"%%caikit_job held -m fork\n{gate.wait}\n'unharmed'")
    cell = kernel.execute(f"print('waiting')\n{WAITS[way]}")
    kernel.wait_for_text(cell, "waiting")
    kernel.interrupt()
    error = kernel.finish(cell).error
    assert error.startswith("KeyboardInterrupt")
    gate.open()
    assert kernel.value("held.result(120)") == "unharmed"


@pytest.mark.parametrize("method", METHODS)
def test_interrupting_a_waiting_cell_magic_stops_no_job(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    name = f"held_by_{method}"
    cell = kernel.execute(
        f"%%caikit_job {name} -m {method} --wait\nprint('begun')\n{gate.wait}\n'unharmed'"
    )
    kernel.read_until(lambda: kernel.has_card(name))
    kernel.card(name).wait_for("begun")
    kernel.interrupt()
    assert kernel.finish(cell).error.startswith("KeyboardInterrupt")
    gate.open()
    assert kernel.value(f"{name}.result(120)") == "unharmed"


@pytest.mark.parametrize("method", METHODS)
def test_interrupting_another_cell_stops_no_job(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"%%caikit_job held -m {method}\n{gate.wait}\n'unharmed'")
    cell = kernel.execute("print('busy')\nwhile True: pass")
    kernel.wait_for_text(cell, "busy")
    kernel.interrupt()
    assert kernel.finish(cell).error.startswith("KeyboardInterrupt")
    gate.open()
    assert kernel.value("held.result(120)") == "unharmed"


def test_interrupting_at_the_start_of_a_job_does_not_reach_it(kernel: Kernel) -> None:
    for method in PROCESSES:
        cell = kernel.execute(
            f"started = [caikit_nb.options(start_method={method!r}).submit(sum, [1, n]) "
            "for n in range(6)]\nprint('submitted')\nimport time\nwhile True: time.sleep(0.01)"
        )
        kernel.wait_for_text(cell, "submitted")
        kernel.interrupt()
        assert kernel.finish(cell).error.startswith("KeyboardInterrupt")
        assert kernel.value("[job.result(120) for job in started]") == [1, 2, 3, 4, 5, 6]


TREE = """
import os, subprocess, sys, time
pids = [os.getpid()]
pids.append(subprocess.Popen(['sleep', '600']).pid)
pids.append(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)
pids.append(int(subprocess.run(
    [sys.executable, '-c', "import subprocess; print(subprocess.Popen(['sleep', '600'], "
     "start_new_session=True, env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)"],
    capture_output=True, text=True).stdout))
print(*pids, 'all')
"""


def start_tree(kernel: Kernel, method: str, then: str) -> list[int]:
    """Start a job with children, in sessions of their own too; returns all of its processes."""
    kernel.do(f"%%caikit_job tree -m {method}\n{TREE}\n{then}")
    kernel.until("'all' in tree.logs()")
    return [int(pid) for pid in kernel.value("tree.logs()").replace("all", "").split()]


def assert_gone(pids: list[int]) -> None:
    """Every process has ended."""
    assert [pid for pid in pids if _is_alive(pid)] == []


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("method", PROCESSES)
def test_cancel_ends_the_whole_tree(kernel: Kernel, method: str) -> None:
    processes = start_tree(kernel, method, "time.sleep(600)")
    assert len(processes) == 4
    kernel.do("assert tree.cancel()\nassert tree.status.name == 'CANCELED'\nassert tree.wait(120)")
    assert_gone(processes)


@pytest.mark.parametrize("method", PROCESSES)
def test_cancel_ends_a_job_that_does_not_want_to(kernel: Kernel, method: str) -> None:
    stubborn = (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True:\n    try: time.sleep(600)\n    except KeyboardInterrupt: pass"
    )
    processes = start_tree(kernel, method, stubborn)
    kernel.do("%config CaikitJobs.cancel_grace_s = 0.2")
    # Nothing ends while the watcher stands, so that cancelling can't wait for it.
    kernel.do("from caikit_nb.execution.watcher import stillness")
    kernel.do("with stillness.wanted(): assert tree.cancel()")
    assert kernel.value("tree.wait(120)")
    assert_gone(processes)
    kernel.do("%config CaikitJobs.cancel_grace_s = 2.0")


@pytest.mark.parametrize("method", PROCESSES)
def test_what_a_job_started_ends_with_it_and_the_card_says_so(kernel: Kernel, method: str) -> None:
    processes = start_tree(kernel, method, "'done'")
    assert kernel.value("tree.result(120)") == "done"
    assert kernel.value("tree.wait(120)")
    assert_gone(processes)
    kernel.card("tree").wait_for("3 processes it had started ended with it")


@pytest.mark.parametrize("method", METHODS)
def test_a_cancelled_job_stays_cancelled(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job tidy -m {method}\nimport time\nprint('in it')\n"
        "try:\n    while True: time.sleep(0.01)\nexcept BaseException:\n    pass\n'tidied'"
    )
    kernel.until("'in it' in tidy.logs()")
    kernel.do("tidy.cancel()\ntidy.wait(120)")
    assert kernel.value("[tidy.status.name, tidy.cancelled()]") == ["CANCELED", True]


def test_a_queued_job_can_be_cancelled(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job ahead\n{gate.wait}\n1")
    for method in METHODS:
        kernel.do(f"%%caikit_job queued_{method} -m {method}\nprint('never')")
        kernel.do(f"queued_{method}.cancel()")
        assert kernel.value(f"[queued_{method}.wait(120), queued_{method}.status.name]") == [
            True, "CANCELED",
        ]  # fmt: skip
        assert kernel.value(f"queued_{method}.logs()") == ""
    gate.open()
    assert kernel.value("ahead.result(120)") == 1
    kernel.do("%config CaikitJobs.max_workers = 4")


DEATHS = {
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV", -11),
    "exit": ("import os; os._exit(3)", "exited with code 3", 3),
    "clean exit": ("import os; os._exit(0)", "exited with code 0", 0),
    "kill": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", -9),
    "abort": ("import os; os.abort()", "SIGABRT", -6),
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("method", PROCESSES)
def test_the_death_of_a_jobs_process_is_told_and_the_kernel_goes_on(
    kernel: Kernel, method: str, death: str
) -> None:
    source, words, code = DEATHS[death]
    kernel.do(f"%%caikit_job dying -m {method}\nprint('last words')\n{source}")
    kernel.do("dying.wait(120)\ninfo = dying.get_info()")
    assert kernel.value("[info.status.name, info.exit_code]") == ["ERRORED", code]
    assert words in kernel.value("info.reason")
    error = kernel.run("dying.result()").error
    assert error.startswith("JobDiedError: ")
    assert "last words" in kernel.value("dying.logs()")
    kernel.card("dying").wait_for(words)
    assert kernel.value("1 + 1") == 2


@pytest.mark.parametrize("method", PROCESSES)
def test_a_segfault_shows_where_it_happened(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job dying -m {method} --wait\nimport ctypes\nctypes.string_at(0)")
    assert "Segmentation fault" in kernel.value("dying.logs()")
    assert "string_at" in kernel.value("dying.logs()")


def test_a_job_killed_from_outside_does_not_blame_itself(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job killed -m fork\nimport os\nprint(os.getpid(), 'pid')\n{gate.wait}")
    kernel.until("'pid' in killed.logs()")
    os.kill(int(kernel.value("killed.logs()").split()[0]), signal.SIGKILL)
    kernel.do("killed.wait(120)")
    assert "SIGKILL (signal 9) (sender unknown)" in kernel.value("killed.get_info().reason")


UNPICKLABLE_ERRORS = {
    "arguments": "import threading\nclass Odd(Exception): pass\nraise Odd(threading.Lock())",
    "constructor": (
        "class Odd(Exception):\n    def __init__(self, a, b):\n"
        "        super().__init__('odd text')\n"
        "raise Odd(1, 2)"
    ),
    "reduce": (
        "class Odd(Exception):\n    def __reduce__(self): raise RuntimeError('no')\n"
        "raise Odd('odd text')"
    ),
    "string": "class Odd(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise Odd()",
}


@pytest.mark.parametrize("kind", UNPICKLABLE_ERRORS)
@pytest.mark.parametrize("method", METHODS)
def test_an_error_that_cannot_be_pickled_still_says_what_it_was(
    kernel: Kernel, method: str, kind: str
) -> None:
    kernel.do(f"%%caikit_job odd -m {method}\n{UNPICKLABLE_ERRORS[kind]}")
    kernel.do("odd.wait(120)")
    assert kernel.value("odd.status.name") == "ERRORED"
    assert "Odd" in kernel.value("odd.get_info().reason")
    cell = kernel.run("odd.result()")
    assert "Odd" in cell.error + cell.traceback
    assert kernel.value("1 + 1") == 2


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_that_fails_leaves_the_others_alone(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"%%caikit_job steady -m fork\n{gate.wait}\n'steady'")
    kernel.do(f"%%caikit_job dying -m {method} --wait\nimport os; os._exit(1)")
    gate.open()
    assert kernel.value("steady.result(120)") == "steady"


def test_jobs_leave_no_descriptors_and_threads_behind(kernel: Kernel) -> None:
    count = "[caikit_nb.submit(sum, [1]).wait(120) for _ in range(3)]"
    kernel.value(count)
    kernel_process = psutil.Process(kernel.pid)
    before = kernel_process.num_fds(), kernel.value("__import__('threading').active_count()")
    for _ in range(5):
        kernel.value(count)
    after = kernel_process.num_fds(), kernel.value("__import__('threading').active_count()")
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1]


def test_no_zombie_of_a_job_is_left(kernel: Kernel) -> None:
    kernel.value("[caikit_nb.submit(sum, [1]).wait(120) for _ in range(3)]")
    children = psutil.Process(kernel.pid).children()
    assert [c for c in children if c.status() == psutil.STATUS_ZOMBIE] == []
