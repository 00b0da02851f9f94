"""What jobs cost the kernel that has them."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import caikit_nb
from caikit_nb.jobs.options import JobOptions
from tests.benchmarks.jobs import nothing, quiet

Call = Callable[[], float | None]

LINES = 1_000_000
BUSY = 32
KEPT = 10_000
BATCH = 500

BUSY_CELL = """
import time
start = time.monotonic()
for tick in range(100_000):
    for n in range(10):
        print("line", tick, n)
    {metric}
    time.sleep(max(0.0, start + tick / 100 - time.monotonic()))
"""


@contextmanager
def idle() -> Iterator[Call]:
    """A kernel with the extension and nothing else."""
    _magic("load_ext", "caikit_nb")
    yield time.perf_counter


@contextmanager
def busy_with_jobs() -> Iterator[Call]:
    """Each job has its card."""
    from IPython import get_ipython

    _magic("load_ext", "caikit_nb")
    _magic("config", f"CaikitJobs.max_workers = {BUSY}")
    cell = BUSY_CELL.format(metric="caikit_nb.log_metric(loss=tick)")
    for n in range(BUSY):
        get_ipython().run_cell_magic("caikit_job", f"busy_{n} -m fork", cell)
    jobs = list(caikit_nb.jobs.values())
    while not all(job.metrics for job in jobs):
        time.sleep(0.05)
    yield time.perf_counter
    for job in jobs:
        job.cancel()


@contextmanager
def beside_processes() -> Iterator[Call]:
    """The limit: the same work on the same machine, in processes that write to files."""
    source = BUSY_CELL.format(metric="print(tick)")
    with tempfile.TemporaryDirectory() as home, ExitStack() as files:
        started = []
        for n in range(BUSY):
            file = files.enter_context(open(Path(home, str(n)), "wb"))
            started.append(subprocess.Popen([sys.executable, "-c", source], stdout=file))
        yield time.perf_counter
        for process in started:
            process.kill()
            process.wait()


def print_lines() -> None:
    """The job that prints."""
    for n in range(LINES):
        print("line", n)


def write_lines() -> None:
    """The same to a file."""
    with tempfile.TemporaryFile("w") as file:
        for n in range(LINES):
            print("line", n, file=file)


def write_each_line() -> None:
    """The same, and each line is there as soon as it is written."""
    with tempfile.TemporaryFile("w", buffering=1) as file:
        for n in range(LINES):
            print("line", n, file=file)


@contextmanager
def each_written_by_job() -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(start_method="fork")
    yield lambda: quiet(executor.submit(write_each_line).result())
    executor.close()


@contextmanager
def printed_by_job() -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(start_method="fork")
    yield lambda: quiet(executor.submit(print_lines).result())
    executor.close()


@contextmanager
def written_by_job() -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(start_method="fork")
    yield lambda: quiet(executor.submit(write_lines).result())
    executor.close()


@contextmanager
def printed_to_pipe() -> Iterator[Call]:
    """A program whose output is read."""
    code = f"for n in range({LINES}): print('line', n)"

    def call() -> None:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)

    yield call


@contextmanager
def growth_by_lines() -> Iterator[Call]:
    """By how many bytes the kernel grows at most."""
    executor = caikit_nb.JobExecutor(start_method="fork")
    executor.submit(print, "warm").result()

    def call() -> float:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status_bytes("VmRSS")
        executor.submit(print_lines).result()
        return _status_bytes("VmHWM") - before

    yield call
    executor.close()


def _status_bytes(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * int(next(line for line in lines if line.startswith(key)).split()[1])


@contextmanager
def submit_first() -> Iterator[Call]:
    with _submit_after(0) as call:
        yield call


@contextmanager
def submit_with_many_kept() -> Iterator[Call]:
    with _submit_after(KEPT) as call:
        yield call


@contextmanager
def _submit_after(kept: int) -> Iterator[Call]:
    executor = caikit_nb.JobExecutor(max_workers=2, start_method="fork")
    threads = JobOptions(start_method="thread")
    for _ in range(0, kept, BATCH):
        futures = [
            executor.submit_function(threads, nothing, (), {}) for _ in range(min(BATCH, kept))
        ]
        for future in futures:
            future.wait()

    def call() -> float:
        start = time.perf_counter()
        future = executor.submit(nothing)
        took_s = time.perf_counter() - start
        future.wait()
        return took_s

    yield call
    executor.close()


@contextmanager
def load_extension() -> Iterator[Call]:
    """IPython and ipywidgets are there, as they are in a notebook."""
    yield lambda: _magic("load_ext", "caikit_nb")


def _magic(name: str, line: str) -> None:
    from IPython import get_ipython

    get_ipython().run_line_magic(name, line)
