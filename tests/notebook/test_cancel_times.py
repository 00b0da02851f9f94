"""Cancelling takes the kernel no time, and a job that resists is gone when its grace is over."""

from collections.abc import Iterator

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.processes import Watched

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")
GRACE_S = 0.5
GONE_S = 60.0

# Jobs that signals don't end, each with a deaf grandchild in a session of its own.
STUBBORN = """
def stubborn():
    import os, signal, subprocess, sys
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    deaf = "import signal; print('deaf', flush=True); signal.pause()"
    grandchild = subprocess.Popen(
        [sys.executable, '-I', '-S', '-c', deaf], start_new_session=True, stdout=subprocess.PIPE
    )
    grandchild.stdout.readline()
    print(os.getpid(), grandchild.pid, 'all')
    while True: signal.pause()

def endless():
    import time
    print('all')
    while True:
        time.sleep(0.01)

from caikit_nb.execution.watcher import stillness
def cancel_each(jobs):
    with stillness.wanted():  # nothing ends meanwhile, so nobody can wait for that
        return [job.cancel() and job.status.name for job in jobs]
"""


@pytest.fixture
def impatient(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, with a short grace and room for ten jobs."""
    kernel.do(f"%config CaikitJobs.cancel_grace_s = {GRACE_S}")
    kernel.do("%config CaikitJobs.max_workers = 10\nimport caikit_nb")
    kernel.do(STUBBORN)
    yield kernel
    kernel.do("%config CaikitJobs.cancel_grace_s = 2.0\n%config CaikitJobs.max_workers = 4")


@pytest.mark.parametrize("method", PROCESSES)
def test_cancel_returns_at_once_and_a_job_that_resists_is_gone_after_the_grace(
    impatient: Kernel, watched: Watched, method: str
) -> None:
    start_ten(impatient, method, "stubborn")
    for pids in impatient.value("[job.logs().split()[:2] for job in ten]"):
        watched.add(int(pids[0]), "a job")
        watched.add(int(pids[1]), "its grandchild")
    assert impatient.value("cancel_each(ten)") == ["CANCELED"] * 10
    assert watched.living_after(GONE_S) == []
    assert impatient.value("all(job.wait(120) for job in ten)")


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_that_resists_lives_as_long_as_its_grace(
    impatient: Kernel, watched: Watched, method: str
) -> None:
    impatient.do("%config CaikitJobs.cancel_grace_s = 600")
    start_ten(impatient, method, "stubborn", count=1)
    pids = impatient.value("ten[0].logs().split()[:2]")
    watched.add(int(pids[0]), "the job")
    watched.add(int(pids[1]), "its grandchild")
    assert impatient.value("cancel_each(ten)") == ["CANCELED"]
    assert len(watched.living_after(1.0)) == 2


def test_cancel_of_a_thread_returns_at_once(impatient: Kernel, gate: Gate) -> None:
    impatient.do(f"def held():\n    print('all')\n    {gate.wait}")
    start_ten(impatient, "thread", "held", count=1)
    assert impatient.value("cancel_each(ten)") == ["CANCELED"]
    assert impatient.value("ten[0].wait(0)") is False  # it is in a call that nothing interrupts
    gate.open()
    assert impatient.value("ten[0].wait(120)")


def test_cancel_ends_ten_threads(impatient: Kernel) -> None:
    start_ten(impatient, "thread", "endless")
    assert impatient.value("cancel_each(ten)") == ["CANCELED"] * 10
    assert impatient.value("all(job.wait(120) for job in ten)")


def start_ten(kernel: Kernel, method: str, function: str, count: int = 10) -> None:
    kernel.do(
        f"chosen = caikit_nb.options(start_method={method!r})\n"
        f"ten = [chosen.submit({function}) for _ in range({count})]"
    )
    kernel.until("all('all' in job.logs() for job in ten)", timeout=180)


# A job whose grandchild and whose second thread say so if an interrupt reaches them.
INTERRUPTIBLE = """%%caikit_job touchy -m {method}
import signal, subprocess, sys, threading, time
child = subprocess.Popen([sys.executable, '-I', '-S', '-c', '''
import signal, sys
def interrupted(*_):
    print("interrupted", flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
sys.stdin.read()
print("unharmed", flush=True)
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\\n"
ticks, stop, ended_by = [], threading.Event(), []
def tick():
    try:
        while not stop.is_set():
            ticks.append(1)
            time.sleep(0.001)
    except BaseException as error:
        ended_by.append(repr(error))
thread = threading.Thread(target=tick)
thread.start()
print('all')
caught = None
try:
    while True: time.sleep(0.01)
except KeyboardInterrupt as interrupt:
    caught = repr(interrupt)
before = len(ticks)
while len(ticks) < before + 20: time.sleep(0.001)
is_alive = thread.is_alive()
stop.set()
thread.join()
answer = child.communicate()[0]
[caught, is_alive, ended_by, answer, child.returncode]
"""


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_reaches_only_the_main_thread_of_a_job_which_may_catch_it(
    kernel: Kernel, method: str
) -> None:
    kernel.do(INTERRUPTIBLE.format(method=method))
    kernel.until("'all' in touchy.logs()")
    assert kernel.value("touchy.interrupt()") is True
    assert kernel.value("touchy.result(120)") == [
        "KeyboardInterrupt()", True, [], "unharmed\n", 0,
    ]  # fmt: skip
    assert kernel.value("[touchy.status.name, touchy.cancelled()]") == ["COMPLETED", False]
    assert kernel.value("touchy.interrupt()") is False


@pytest.mark.parametrize("method", METHODS)
def test_a_job_that_does_not_catch_an_interrupt_fails_with_it(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job touchy -m {method}\nimport time\nprint('all')\nwhile True: time.sleep(0.01)"
    )
    kernel.until("'all' in touchy.logs()")
    assert kernel.value("touchy.interrupt()") is True
    assert kernel.value("touchy.wait(120)")
    assert kernel.value("touchy.status.name") == "ERRORED"
    assert kernel.run("touchy.result()").error.startswith("KeyboardInterrupt")
    kernel.card("touchy").wait_for("KeyboardInterrupt")
