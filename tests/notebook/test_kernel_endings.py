"""However a kernel ends, nothing of its jobs is left: no process, and no file of the session."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.processes import Watched

GONE_S = 20.0
PROCESSES = ("fork", "forkserver", "spawn")

# Each job has a child in a session of its own and, in another, an orphan without an environment.
BUSY = """%%caikit_job {method} -m {method}
import os, signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pids = [os.getpid(), subprocess.Popen(['sleep', '600'], start_new_session=True).pid]
orphan = subprocess.run(
    ['sh', '-c', 'sleep 600 >/dev/null 2>&1 & echo $!'],
    start_new_session=True, env={{}}, capture_output=True, text=True, check=True,
).stdout
print(*pids, orphan.strip(), 'all')
while True: signal.pause()
"""


def start_jobs(kernel: Kernel, watched: Watched) -> list[str]:
    """Three jobs with children, and one in the queue; returns the session's directories."""
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 3")
    for method in PROCESSES:
        kernel.do(BUSY.format(method=method))
    kernel.do("%%caikit_job queued -m fork\nprint('never')")
    for method in PROCESSES:
        kernel.until(f"'all' in {method}.logs()")
        pids = [int(pid) for pid in kernel.value(f"{method}.logs()").split()[:-1]]
        for pid, what in zip(pids, ("itself", "its child", "its orphan"), strict=True):
            watched.add(pid, f"{method}: {what}")
    assert kernel.value("queued.status.name") == "QUEUED"
    watched.add_below(kernel.pid)
    watched.add(kernel.pid, "the kernel")
    directories = [path.name for path in kernel.session_directories()]
    assert directories
    return directories


@pytest.mark.parametrize("method", [*PROCESSES, "thread"])
def test_nothing_of_ours_is_in_the_kernels_process_group(
    start_kernel: Callable[..., Kernel], method: str
) -> None:
    """A kernel that ends by request first waits until that group has no process but itself."""
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do(f"%%caikit_job ended -m {method} --wait\n1")
    kernel.do("import os, psutil")
    kernel.do(f"%%caikit_job goes_on -m {method}\nprint('begun')\nwhile True: pass")
    kernel.until("goes_on.logs()")
    group = (
        "[child.cmdline() for child in psutil.Process().children(recursive=True)"
        " if os.getpgid(child.pid) == os.getpgrp()]"
    )
    assert kernel.value(group) == []


ENDINGS: dict[str, Callable[[Kernel], object]] = {
    "shutdown": lambda kernel: kernel.manager.shutdown_kernel(),
    "shutdown now": lambda kernel: kernel.manager.shutdown_kernel(now=True),
    "SIGKILL": lambda kernel: os.kill(kernel.pid, signal.SIGKILL),
    "SIGTERM": lambda kernel: os.kill(kernel.pid, signal.SIGTERM),
    "exit": lambda kernel: kernel.execute("exit"),
    "os._exit": lambda kernel: kernel.execute("import os; os._exit(1)"),
    "segfault": lambda kernel: kernel.execute("import ctypes; ctypes.string_at(0)"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_a_kernel_leaves_no_process_and_no_directory(
    start_kernel: Callable[..., Kernel], watched: Watched, ending: str
) -> None:
    kernel = start_kernel()
    start_jobs(kernel, watched)
    ENDINGS[ending](kernel)
    assert watched.living_after(GONE_S) == []
    assert kernel.session_directories() == []


@pytest.mark.parametrize("is_asked_first", [True, False], ids=["asked", "at once"])
def test_a_restart_ends_the_jobs_and_the_new_kernel_works(
    start_kernel: Callable[..., Kernel], watched: Watched, is_asked_first: bool
) -> None:
    kernel = start_kernel()
    before = start_jobs(kernel, watched)
    if is_asked_first:
        kernel.manager.shutdown_kernel(restart=True)
    kernel.restart()
    kernel.do("%load_ext caikit_nb")
    assert kernel.value("len(caikit_nb.jobs)") == 0
    for method in PROCESSES:
        kernel.do(f"again_{method} = %caikit_job -m {method} 6 * 7")
        assert kernel.value(f"again_{method}.result(120)") == 42
    assert watched.living_after(GONE_S) == []
    now = [path.name for path in kernel.session_directories()]
    assert not set(before) & set(now)
    assert len(now) == 1


def test_unloading_the_extension_ends_the_jobs_and_the_kernel_works(
    start_kernel: Callable[..., Kernel], watched: Watched
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 3")
    for method in PROCESSES:
        kernel.do(BUSY.format(method=method))
        kernel.until(f"'all' in {method}.logs()")
        for pid in kernel.value(f"{method}.logs()").split()[:-1]:
            watched.add(int(pid), method)
    said = kernel.do("%unload_ext caikit_nb").text
    assert said == f"caikit_nb is unloaded, and its jobs were ended: {', '.join(PROCESSES)}\n"
    assert watched.living_after(GONE_S) == []
    kernel.do("%load_ext caikit_nb\nagain = %caikit_job 6 * 7")
    assert kernel.value("again.result(120)") == 42
