"""``-b`` and the setting ``backend`` in a real kernel."""

from __future__ import annotations

import pytest

from tests.notebook.kernel import Kernel


def test_an_inline_cell_has_run_when_the_cell_is_done(kernel: Kernel) -> None:
    kernel.do("from threading import current_thread, main_thread")
    kernel.do("%%caikit_job here -b inline\ncurrent_thread() is main_thread()")
    assert kernel.value("[here.done(), here.result(0)]") == [True, True]


def test_an_inline_cells_prints_are_its_jobs(kernel: Kernel) -> None:
    cell = kernel.do("%%caikit_job printed -b inline\nprint('inside')")
    assert cell.text == ""
    assert kernel.value("printed.logs()") == "inside\n"
    assert kernel.do("print('outside')").text == "outside\n"


def test_an_inline_cells_outs_come_home(kernel: Kernel) -> None:
    kernel.do("%%caikit_job -b inline -o brought\nbrought = [1, 2]")
    kernel.until("'brought' in globals()")
    assert kernel.value("brought") == [1, 2]


def test_an_inline_cells_error_is_in_its_job(kernel: Kernel) -> None:
    kernel.do("%%caikit_job failed -b inline\n1 / 0")
    assert kernel.run("failed.result()").error == "ZeroDivisionError: division by zero"


def test_an_inline_cells_error_can_be_debugged(kernel: Kernel) -> None:
    kernel.do("def divide(secret):\n    return secret / 0")
    kernel.do("%%caikit_job debugged -b inline\ndivide(42)")
    kernel.run("debugged.result()")
    kernel.do("import sys\nat = sys.last_traceback\nwhile at.tb_next: at = at.tb_next")
    assert kernel.value("dict(at.tb_frame.f_locals)") == {"secret": 42}


def test_an_inline_cell_may_await(kernel: Kernel) -> None:
    kernel.do("%%caikit_job awaited -b inline\nimport asyncio\nawait asyncio.sleep(0, 'slept')")
    assert kernel.value("awaited.result(0)") == "slept"
    assert kernel.do("import asyncio\nawait asyncio.sleep(0)").error == ""


def test_an_interrupt_ends_an_inline_cell_and_not_the_kernel(kernel: Kernel) -> None:
    kernel.do("import os, signal, time")
    kernel.do("%%caikit_job stopped -b inline\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)")
    assert kernel.value("type(stopped.exception(0)).__name__") == "KeyboardInterrupt"
    assert kernel.value("1 + 1") == 2


def test_a_line_magic_takes_a_backend(kernel: Kernel) -> None:
    kernel.do("lined = %caikit_job -b INLINE 6 * 7")
    assert kernel.value("lined.result(0)") == 42


def test_a_card_names_the_backend(kernel: Kernel) -> None:
    cell = kernel.do("%%caikit_job -b inline\n1")
    assert "[inline]" in cell.displays[0]["text/plain"]


def test_the_setting_names_the_backend(kernel: Kernel) -> None:
    try:
        kernel.do("%config CaikitJobs.backend = 'inline'")
        kernel.do("%%caikit_job configured\n1")
        assert kernel.value("configured.done()")
    finally:
        kernel.do("%config CaikitJobs.backend = 'local'")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "-b none_such",
            "-b/--backend: 'none_such' is not a backend: use one of dask, inline, local",
        ),
        ("-b inline -m fork", "backend 'inline' doesn't take start method 'fork': use one of "),
    ],
)
def test_what_is_not_accepted_is_told_in_one_line(kernel: Kernel, line: str, says: str) -> None:
    text = kernel.run(f"%%caikit_job refused {line}\n1").text.strip()
    assert says in text
    assert "\n" not in text
    assert not kernel.value("'refused' in globals()")


def test_a_setting_that_is_no_backend_is_refused(kernel: Kernel) -> None:
    told = kernel.run("%config CaikitJobs.backend = 'none_such'").text
    assert (
        "CaikitJobs.backend: 'none_such' is not a backend: use one of dask, inline, local" in told
    )
    assert kernel.value("get_ipython().run_line_magic('config', 'CaikitJobs.backend')") == "local"
