"""``-b dask`` in a real kernel: what a local job has, one on a worker has, too."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from caikit_nb.notebook import ansi
from tests.backends.dask_cluster import Cluster, cluster
from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask"), 1, "--resources", "GPU=1") as running:
        yield running


@pytest.fixture(scope="module")
def kernel(workers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.do("%load_ext caikit_nb\nimport time")
        kernel.do(
            f"%config CaikitJobs.backend_config = {{'dask': {{'address': '{workers.address}'}}}}"
        )
        yield kernel


def test_a_cell_has_prints_bars_metrics_displays_and_outs(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job all_of_it -b dask -o squares -p lr=0.5\n"
        "from IPython.display import HTML, display\n"
        "print('begun')\n"
        "squares = [n * n for n in caikit_nb.progress(range(4), desc='steps')]\n"
        "caikit_nb.log_metric(loss=lr)\n"
        "display(HTML('<b>bold</b>'))\n"
        "print('done')\n"
        "sum(squares)"
    )
    assert kernel.value("all_of_it.result(120)") == 14
    kernel.until("'squares' in globals()")
    assert kernel.value("squares") == [0, 1, 4, 9]
    assert kernel.value("all_of_it.logs()") == "begun\ndone\n"
    assert kernel.value("[bar.fraction for bar in all_of_it.progress]") == [1.0]
    assert kernel.value("list(all_of_it.metrics['loss'])") == [[0.0, 0.5]]
    html = kernel.value("[d.data.get('text/html') for d in all_of_it.displays]")
    assert html == ["<b>bold</b>", None]  # and the last expression's value


@pytest.mark.slow
def test_variables_functions_and_classes_of_the_notebook_go_along(kernel: Kernel) -> None:
    kernel.do("import numpy as np\ndata = np.arange(10)\ndef total(of):\n    return int(of.sum())")
    kernel.do("%%caikit_job shipped -b dask\ntotal(data)")
    assert kernel.value("shipped.result(120)") == 45
    assert kernel.value("sorted(shipped._job.spec.shipped)") == ["data", "total"]


def test_the_card_says_where_it_runs(kernel: Kernel, workers: Cluster) -> None:
    kernel.do("%%caikit_job placed -b dask\n1")
    kernel.value("placed.result(120)")
    html = kernel.card("placed").wait_for("completed")
    assert f"dask: on the Dask cluster {workers.address} (1 worker)" in html
    assert "it runs on the Dask worker tcp://127.0.0.1:" in html


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_card_says_since_when_its_worker_does_not_answer(
    kernel: Kernel, workers: Cluster, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job cut -b dask\nprint('begun')\n{gate.wait}\nprint('told late')")
    card = kernel.card("cut")
    card.wait_for("begun")
    pid = workers.workers[0].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        html = card.wait_for("unreachable since", 120)
        assert "running" in html
    finally:
        os.kill(pid, signal.SIGCONT)
    gate.open()
    html = card.wait_for("completed", 60)
    assert "told late" in html
    assert "unreachable" not in html


def test_an_error_has_its_traceback(kernel: Kernel) -> None:
    kernel.do("def divide(by):\n    return 1 / by")
    kernel.do("%%caikit_job failed -b dask\ndivide(0)")
    cell = kernel.run("failed.result(120)")
    assert cell.error == "ZeroDivisionError: division by zero"
    assert "return 1 / by" in ansi.plain(cell.traceback)


@pytest.mark.slow
def test_large_results_come_home(kernel: Kernel) -> None:
    kernel.do("%%caikit_job large -b dask -o ones\nimport numpy as np\nones = np.ones(3_000_000)")
    kernel.until("'ones' in globals()")
    assert kernel.value("float(ones.sum())") == 3_000_000.0


@pytest.mark.slow
def test_large_inputs_get_there(kernel: Kernel) -> None:
    kernel.do("import numpy as np\nmany = np.ones(3_000_000)")
    kernel.do("%%caikit_job summed -b dask\nfloat(many.sum())")
    assert kernel.value("summed.result(120)") == 3_000_000.0


def test_a_cancelled_job_ends_with_all_that_it_started(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job cancelled -b dask\n"
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(1000)"
    )
    kernel.until("cancelled.logs().strip()")
    child = os.pidfd_open(kernel.value("int(cancelled.logs())"))
    kernel.do("cancelled.cancel()")
    assert kernel.value("cancelled.status.name") == "CANCELED"
    kernel.until("cancelled._job.ended.is_set()")
    # It has ended; when its new parent waits for it is not up to us.
    assert select.select([child], [], [], 0)[0] == [child]
    os.close(child)


@pytest.mark.slow
def test_an_interrupt_reaches_it(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job stopped -b dask\nprint('here')\nimport time\n"
        "try:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    stopped_at = 'interrupt'\n"
        "stopped_at"
    )
    kernel.until("stopped.logs()")
    kernel.do("stopped.interrupt()")
    assert kernel.value("stopped.result(120)") == "interrupt"


@pytest.mark.slow
def test_a_timeout_and_a_memory_limit_hold(kernel: Kernel) -> None:
    kernel.do("%%caikit_job late -b dask --timeout 0.3s\nimport time\ntime.sleep(1000)")
    kernel.do("%%caikit_job fat -b dask --memory-limit 200MB\nlen(bytearray(10**9))")
    assert kernel.run("late.result(120)").error.startswith("JobTimeoutError: ")
    assert kernel.run("fat.result(120)").error.startswith("JobOutOfMemoryError: ")


@pytest.mark.slow
def test_a_result_goes_when_its_retention_ends(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief -b dask --retain 0.1s\n1")
    kernel.value("brief.wait(120)")
    kernel.until("brief._job.expired")
    assert kernel.run("brief.result()").error.startswith("JobResultExpired: ")


@pytest.mark.slow
def test_more_jobs_than_local_workers_run_at_once(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    for name in ("one", "two"):
        kernel.do(f"%%caikit_job {name} -b dask\nprint('here')\ntime.sleep(1000)")
    kernel.until("one.logs() and two.logs()")
    kernel.do("%caikit_jobs cancel one two")


def test_a_job_waits_queued_for_its_resources_and_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job holder -b dask --resources GPU=1\nprint('here')\ntime.sleep(1000)")
    kernel.until("holder.logs()")
    kernel.do("%%caikit_job waiter -b dask --resources GPU=1 --timeout 20s\n'ran'")
    assert "with GPU=1; the cluster has 1 worker" in kernel.card("waiter").wait_for("waiting for")
    assert kernel.value("waiter.status.name") == "QUEUED"
    kernel.do("holder.cancel()")
    assert kernel.value("waiter.result(120)") == "ran"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-b dask --resources GPU=2", "--resources GPU=2: no worker has that much; they have GPU"),
        ("-b dask --resources GPU", "--resources: 'GPU' is not NAME=AMOUNT: use e.g. GPU=1"),
        ("-b dask --on nobody", "--on nobody: there is no such worker; use worker-0"),
        ("-b dask -m fork", "backend 'dask' doesn't take start method 'fork': use one of "),
        ("--resources GPU=1", "backend 'local' doesn't take --resources: "),
    ],
)
def test_what_can_not_be_is_told_in_one_line(kernel: Kernel, line: str, says: str) -> None:
    text = kernel.run(f"%%caikit_job refused {line}\n1").text.strip()
    assert says in text
    assert "\n" not in text
    assert not kernel.value("'refused' in globals()")


def test_wrong_settings_are_told_in_one_line(kernel: Kernel) -> None:
    told = kernel.run("%config CaikitJobs.backend_config = {'dask': {'adress': 'x'}}").text
    assert "backend 'dask' has no setting 'adress': use address, scheduler_file" in told
