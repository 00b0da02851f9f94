"""Where a fork could hang, a job starts in a fresh interpreter or is refused; nothing hangs."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.subshell import Subshell, needs_subshells

IN_BLAS = """
import threading
import numpy
matrix, stop_blas, in_blas = numpy.ones((1500, 1500)), threading.Event(), threading.Event()
def multiply():
    while not stop_blas.is_set():
        matrix @ matrix
        in_blas.set()
blas = threading.Thread(target=multiply, name='multiplier', daemon=True)
blas.start()
in_blas.wait()
"""
OTHER_THREADS = "other threads are running (multiplier)"


@pytest.fixture
def in_blas(kernel: Kernel) -> Iterator[Kernel]:
    """A kernel one of whose threads does nothing but multiply matrices."""
    kernel.do(IN_BLAS)
    yield kernel
    kernel.do("stop_blas.set(); blas.join()")


def test_no_fork_while_a_thread_is_inside_blas(in_blas: Kernel) -> None:
    for number in range(20):
        if number < 5:
            in_blas.do(f"%%caikit_job beside_{number}\n{number} + 1")
        refused = in_blas.run("%%caikit_job never -m fork\n1")
        lines = refused.text.strip().splitlines()
        assert len(lines) == 1, refused
        assert lines[0].startswith("UsageError: %%caikit_job: fork isn't safe here")
        assert OTHER_THREADS in lines[0]
        assert "Use -m auto, forkserver or spawn" in lines[0]
    results = in_blas.value("[caikit_nb.jobs[f'beside_{n}'].result(120) for n in range(5)]", 180)
    assert results == list(range(1, 6))
    assert "never" not in in_blas.value("[job.name for job in caikit_nb.jobs.values()]")
    assert set(in_blas.value("[job.start_method for job in caikit_nb.jobs.values()]")) == {
        "forkserver"
    }
    html = in_blas.card("beside_4").wait_for("completed")
    assert f"forkserver: in a fresh interpreter, as {OTHER_THREADS}" in html
    assert in_blas.value("blas.is_alive()")
    assert in_blas.do("print(6 * 7)").text == "42\n"


def test_jobs_fork_again_once_the_thread_has_ended(kernel: Kernel) -> None:
    kernel.do(IN_BLAS)
    kernel.do("stop_blas.set(); blas.join()")
    kernel.do("%%caikit_job forked\nfloat((matrix @ matrix)[0, 0])")
    assert kernel.value("[forked.result(120), forked.start_method]") == [1500.0, "fork"]


@needs_subshells
def test_no_fork_while_a_cell_runs_in_a_subshell(kernel: Kernel) -> None:
    kernel.do(
        "import threading\n"
        "lock, entered, leave, left = (threading.Lock(), *(threading.Event() for _ in '123'))\n"
        "def hold():\n"
        "    with lock:\n"
        "        entered.set()\n"
        "        leave.wait()"
    )
    Subshell(kernel).begin("hold()\nleft.set()")
    kernel.do("entered.wait(120)")
    kernel.do("%%caikit_job beside\n6 * 7")
    assert kernel.value("[beside.result(120), beside.start_method]") == [42, "forkserver"]
    assert "code of the notebook runs in another thread" in kernel.value("beside._job.spec.reason")
    kernel.do("leave.set(); left.wait(120)")
    kernel.do("%%caikit_job alone\nwith lock: pass")
    assert kernel.value("[alone.wait(120), alone.start_method]") == [True, "fork"]


DATA = """
import threading
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
import threadpoolctl
X = numpy.arange(2000.0).reshape(500, 4); y = numpy.arange(500) % 2
def openmp_threads():
    pools = threadpoolctl.threadpool_info()
    return [pool['num_threads'] for pool in pools if pool['user_api'] == 'openmp']
def fit():
    score = HistGradientBoostingClassifier(max_iter=5).fit(X, y).score(X, y)
    for thread in threading.enumerate():
        if thread.name.endswith('(worker)'):  # of a pool that is closed, on a busy machine
            thread.join(120)
    return score
"""
FIT = "%%caikit_job {name} {options}\n[fit(), openmp_threads()]"
POOL_HAS_RUN = "an OpenMP thread pool has run in this kernel"


@contextmanager
def kernel_with_data(home: Path) -> Iterator[Kernel]:
    """A kernel with two OpenMP threads and a model that it has not fitted yet."""
    pytest.importorskip("sklearn")
    # Threads that wait for work ask for it again and again, unless told to sleep.
    environment = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    with Kernel(home, environment) as kernel:
        kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 2")
        kernel.do(DATA)
        yield kernel


@pytest.fixture
def with_data(tmp_path: Path) -> Iterator[Kernel]:
    with kernel_with_data(tmp_path) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One that has fitted it."""
    with kernel_with_data(tmp_path_factory.mktemp("fitted")) as kernel:
        kernel.do("score = fit()")
        yield kernel


def test_after_a_fit_in_the_kernel_auto_takes_a_fresh_interpreter_with_all_threads(
    fitted: Kernel,
) -> None:
    kernel = fitted
    kernel.do(FIT.format(name="again", options=""))
    score, threads = kernel.value("again.result(120)", 180)
    assert score == kernel.value("score")
    assert threads == kernel.value("openmp_threads()")
    assert max(threads) == 2
    html = kernel.card("again").wait_for("completed")
    assert f"forkserver: in a fresh interpreter, as {POOL_HAS_RUN}" in html


def test_after_a_fit_in_the_kernel_a_fork_that_was_asked_for_runs_on_one_openmp_thread(
    fitted: Kernel,
) -> None:
    kernel = fitted
    for number in range(5):
        kernel.do("score = fit()")
        kernel.do(FIT.format(name=f"forked_{number}", options="-m fork"))
    for number in range(5):
        score, threads = kernel.value(f"forked_{number}.result(120)", 180)
        assert score == kernel.value("score")
        assert set(threads) == {1}
        html = kernel.card(f"forked_{number}").wait_for("completed")
        assert f"fork: in a copy of the kernel, OpenMP on one thread: {POOL_HAS_RUN}" in html
    assert max(kernel.value("openmp_threads()")) == 2
    assert kernel.value("fit() == score")


def test_there_code_may_say_itself_on_how_many_threads_it_runs(fitted: Kernel) -> None:
    """As LightGBM and torch do; it is what a compiled parallel region calls."""
    kernel = fitted
    kernel.do(
        "score = fit()\nimport ctypes\n"
        "paths = [pool['filepath'] for pool in threadpoolctl.threadpool_info()]\n"
        "gomp = next(path for path in paths if 'gomp' in path)\n"
        "nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)\n"
        "def parallel(): ctypes.CDLL(gomp).GOMP_parallel(nothing, None, 2, 0); return 'done'"
    )
    if not kernel.value("hasattr(ctypes.CDLL(gomp), 'omp_pause_resource_all')"):
        pytest.skip("this libgomp is too old to end its threads")
    kernel.do("%%caikit_job parallel_there -m fork\nparallel()")
    assert kernel.value("[parallel_there.result(120), parallel(), fit() == score]", 180) == [
        *("done", "done", True)
    ]


def test_a_fork_that_was_asked_for_shares_the_kernels_memory(fitted: Kernel) -> None:
    kernel = fitted
    kernel.do("score = fit()\nbig = numpy.ones(300 * 2**20, dtype=numpy.uint8)")
    private = "caikit_nb.execution.memory.private_bytes(os.getpid())"
    kernel.do(
        "%%caikit_job sharing -m fork\nimport os\nimport caikit_nb.execution.memory\n"
        f"[int(big.sum()) == big.size, fit() > 0, {private}]"
    )
    is_there, is_fitted, private_bytes = kernel.value("sharing.result(120)", 180)
    assert is_there
    assert is_fitted
    assert private_bytes < 150 * 2**20
    kernel.do("del big")


def test_a_model_that_was_only_imported_is_fitted_in_a_fork_with_all_threads(
    with_data: Kernel,
) -> None:
    kernel = with_data
    for number in range(3):
        kernel.do(FIT.format(name=f"first_{number}", options=""))
        _, threads = kernel.value(f"first_{number}.result(120)", 180)
        assert threads == kernel.value("openmp_threads()")
        assert max(threads) == 2
        assert kernel.value(f"first_{number}.start_method") == "fork"


NOT_MAIN_THREAD = "forkserver: in a fresh interpreter, as this is not the kernel's main thread"


def test_a_job_from_another_thread_of_the_kernel_does_not_fork(kernel: Kernel) -> None:
    kernel.do(
        "import threading\nfrom caikit_nb.errors import ForkRefusedError\nsubmitted = []\n"
        "def submit():\n    submitted.append(caikit_nb.submit(sum, [1, 2]))\n"
        "    try: caikit_nb.options(start_method='fork').submit(sum, [1])\n"
        "    except ForkRefusedError as error: submitted.append(str(error))\n"
        "thread = threading.Thread(target=submit); thread.start(); thread.join()"
    )
    assert kernel.value("[submitted[0].result(120), submitted[0].start_method]") == [
        3, "forkserver",
    ]  # fmt: skip
    assert "fork isn't safe here: this is not the kernel's main thread" in kernel.value(
        "submitted[1]"
    )
    name = kernel.value("submitted[0].name")
    kernel.do(f"%caikit_jobs show {name}")
    assert NOT_MAIN_THREAD in unescape(kernel.card(name).wait_for("completed"))


@needs_subshells
def test_a_job_from_a_subshell_does_not_fork(kernel: Kernel) -> None:
    subshell = Subshell(kernel)
    subshell.run("%%caikit_job aside\n'from aside'")
    assert kernel.value("[aside.result(120), aside.start_method]") == ["from aside", "forkserver"]
    assert NOT_MAIN_THREAD in unescape(kernel.card("aside").wait_for("completed"))
    refused = subshell.run("%%caikit_job never -m fork\n1")
    assert "fork isn't safe here: this is not the kernel's main thread" in refused


@needs_subshells
def test_a_job_submitted_while_a_subshell_exists_still_forks(kernel: Kernel) -> None:
    Subshell(kernel).run("aside = 1")
    kernel.do("%%caikit_job beside\n'fine'")
    assert kernel.value("[beside.result(120), beside.start_method]") == ["fine", "fork"]
