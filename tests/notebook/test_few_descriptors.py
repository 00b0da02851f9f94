"""A kernel that may open few files: a job that waits needs two of them, and one that runs more."""

import resource
from collections.abc import Callable, Iterator

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.waiting import is_gone_within

MANY = 60
# With fewer descriptors than the kernel has open, wait for a job; what each thread does if it does
# not end, as nobody can see that from outside.
WAIT = """
import faulthandler, resource, tempfile
stacks = tempfile.TemporaryFile("w+")
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (8, limits[1]))
print("none left", flush=True)
try:
    ended = {job}.wait(120)
    if not ended:
        faulthandler.dump_traceback(stacks)
        stacks.seek(0)
        print(stacks.read())
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
"""


@pytest.fixture
def few() -> Iterator[None]:
    """What this process starts has the limit, too; it is put back by a hard one that stays."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def wait_with_few(kernel: Kernel, gate: Gate, job: str) -> str:
    """Open the gate, wait for a job's end while no descriptor is left; what was said of a hang."""
    cell = kernel.execute(WAIT.replace("{job}", job))
    kernel.wait_for_text(cell, "none left")
    gate.open()
    return kernel.finish(cell, 180).text


def test_a_queue_needs_more(few: None, start_kernel: Callable[..., Kernel], gate: Gate) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job first -m fork\n{gate.wait}")
    kernel.do(
        "waiting = [caikit_nb.options(start_method='fork').submit(abs, -n) "
        f"for n in range({MANY})]",
        timeout=180,
    )
    kernel.do("open('/dev/null').close()")
    gate.open()
    results = kernel.value("[job.result(120) for job in waiting]", 180)
    assert results == list(range(MANY))


def test_a_job_that_waits_holds_two(start_kernel: Callable[..., Kernel], gate: Gate) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 1\nimport os")
    kernel.do(f"%%caikit_job first -m fork\n{gate.wait}")
    kernel.until("first.status.name == 'RUNNING'")
    # The second brings what all of them share.
    submit = "caikit_nb.options(start_method='fork').submit(abs, -{})"
    kernel.do(f"waiting = [{submit.format(0)}]")
    before = kernel.value("len(os.listdir('/proc/self/fd'))")
    kernel.do(f"waiting += [{submit.format('n')} for n in range(1, {MANY})]", timeout=180)
    now = kernel.value("len(os.listdir('/proc/self/fd'))")
    assert now - before < 2 * MANY + 10  # and a few for what goes on beside
    gate.open()
    results = kernel.value("[job.result(120) for job in waiting]", 180)
    assert results == list(range(MANY))


def test_a_job_ends_also_if_there_are_none_to_look_for_what_it_has_started(
    start_kernel: Callable[..., Kernel], gate: Gate
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\nimport os, resource, subprocess")
    kernel.do(
        f"%%caikit_job leaves -m fork\nstray = subprocess.Popen(['sleep', '600'])\n"
        f"print(stray.pid, flush=True)\n{gate.wait}\nos._exit(3)"
    )
    kernel.until("leaves.logs()")
    stray = int(kernel.value("leaves.logs()"))
    said = wait_with_few(kernel, gate, "leaves")
    assert kernel.value("[ended, leaves.status.name]") == [True, "ERRORED"], said
    assert is_gone_within(stray)


def test_a_job_whose_turn_comes_when_there_are_none_says_so(
    start_kernel: Callable[..., Kernel], gate: Gate
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 1\nimport resource")
    kernel.do(f"%%caikit_job first -m fork\n{gate.wait}")
    kernel.do("next_one = caikit_nb.options(start_method='fork').submit(abs, -1)")
    said = wait_with_few(kernel, gate, "next_one")
    assert kernel.value("ended"), said
    assert "Too many open files" in kernel.value("str(next_one.exception())")
    kernel.do("%%caikit_job again -m fork\n6 * 7")
    assert kernel.value("again.result(120)") == 42


def test_a_job_is_cancelled_also_if_there_are_none(
    start_kernel: Callable[..., Kernel], gate: Gate
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do(
        "%%caikit_job endless -m fork\nimport signal\nprint('on', flush=True)\nsignal.pause()"
    )
    kernel.until("endless.logs()")
    pid = int(kernel.value("endless._job.attempt.pid"))
    cell = kernel.execute(
        WAIT.replace("{job}.wait(120)", "(endless.cancel(), endless.wait(120))[1]")
    )
    said = kernel.finish(cell, 180).text
    assert kernel.value("[ended, endless.status.name]") == [True, "CANCELED"], said
    assert is_gone_within(pid)


def test_a_memory_limit_holds_after_there_were_none(
    start_kernel: Callable[..., Kernel], gate: Gate
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\nimport threading")
    # Its own limit doesn't count what it shares with a child: only who looks at both sees that.
    kernel.do(
        f"%%caikit_job grows -m fork --memory-limit 200MiB\nimport os, signal\n"
        f"print('on', flush=True)\n{gate.wait}\n"
        "if not os.fork():\n    held = b'x' * (150 << 20)\n    signal.pause()\n"
        "held = b'x' * (150 << 20)\nsignal.pause()"
    )
    kernel.until("grows.logs()")
    kernel.do(
        "import resource\nlimits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "from caikit_nb.execution.watcher import watcher\ndue = threading.Event()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (8, limits[1]))\n"
        "watcher.call_later(2.5, due.set); seen = due.wait(60)\n"  # it has looked in vain
        "resource.setrlimit(resource.RLIMIT_NOFILE, limits)"
    )
    gate.open()
    assert kernel.value("grows.wait(120)", 180)
    assert "memory limit" in kernel.value("str(grows.exception())")
