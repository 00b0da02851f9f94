"""``%%caikit_job``: what it starts, under every start method."""

import re
from collections.abc import Callable

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.sheet import Sheet

METHODS = ("fork", "forkserver", "spawn", "thread")
FRESH = ("forkserver", "spawn")


@pytest.mark.parametrize("method", METHODS)
def test_the_cell_returns_while_its_job_runs(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"%%caikit_job held -m {method}\n{gate.wait}\n'passed'")
    assert not kernel.value("held.status.is_terminal")
    gate.open()
    assert kernel.value("held.result(120)") == "passed"


SHEET = {
    "full": """-o {method}_a,{method}_b --out {method}_c \
-p lr=0.1 --param layers=[4,2] -p optimizer=adam -p 'note=two words'
{method}_a, {method}_b = 1, 2
{method}_c = {method}_a + {method}_b
kept, new_{method} = 'job', 1
import caikit_nb
me = caikit_nb.current_job()
given, told = [lr, layers, optimizer, note], [me.name, me.id, dict(me.params)]
{'kept': kept, 'given': given, 'told': told}""",
    "bare": """-o neither
value = 20
if not value: neither = 1""",
}


@pytest.fixture(scope="module")
def sheet(loaded_kernel: Kernel) -> Sheet:
    return Sheet(loaded_kernel, "kept = 'kernel'", SHEET)


@pytest.mark.parametrize("method", METHODS)
def test_the_name_is_bound_to_the_future(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("full", method)
    assert kernel.value(f"type({job}).__name__") == "JobFuture"
    assert kernel.value(f"{job} is caikit_nb.jobs[{job!r}] is caikit_nb.jobs[{job}.id]")


@pytest.mark.parametrize("method", METHODS)
def test_the_last_expression_is_the_result(kernel: Kernel, sheet: Sheet, method: str) -> None:
    assert set(kernel.value(f"{sheet.job('full', method)}.result()")) == {"kept", "given", "told"}


@pytest.mark.parametrize("method", METHODS)
def test_a_cell_without_a_last_expression_gives_none(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    assert kernel.value(f"{sheet.job('bare', method)}.result()") is None


@pytest.mark.parametrize("method", METHODS)
def test_out_variables_come_home(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("full", method)
    assert kernel.value(f"[{method}_a, {method}_b, {method}_c]") == [1, 2, 3]
    outputs = {f"{method}_a": 1, f"{method}_b": 2, f"{method}_c": 3}
    assert kernel.value(f"dict({job}.outputs)") == outputs


@pytest.mark.parametrize("method", METHODS)
def test_other_variables_of_the_cell_stay_in_the_job(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    job = sheet.job("full", method)
    assert kernel.value(f"[{job}.result()['kept'], kept]") == ["job", "kernel"]
    assert not kernel.value(f"'new_{method}' in globals()")


@pytest.mark.parametrize("method", METHODS)
def test_an_out_variable_that_the_cell_did_not_define_is_told(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    job = sheet.job("bare", method)
    assert kernel.value(f"{job}.status.name") == "COMPLETED"
    kernel.card(job).wait_for("did not define neither")


def test_an_out_variable_that_the_cell_does_not_mention_is_told_while_it_runs(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job typo -o modle,other,kept\n{gate.wait}\nmodel = kept")
    shown = kernel.card("typo").wait_for(
        "--out modle: the cell has no such name: did you mean model?"
    )
    assert "--out other: the cell has no such name" in shown
    assert "--out kept" not in shown
    gate.open()
    shown = kernel.card("typo").wait_for("without modle, other")
    assert "did not define" not in shown, "it was told"


@pytest.mark.parametrize("code", ["exec('mod' + 'el = 1')", "from os import *", "model: int = 1"])
def test_an_out_variable_that_the_cell_may_define_is_not_doubted(kernel: Kernel, code: str) -> None:
    kernel.do(f"%%caikit_job sure -o model --wait\n{code}")
    assert "no such name" not in kernel.card("sure").html


@pytest.mark.parametrize("method", METHODS)
def test_parameters_are_literals_or_strings(kernel: Kernel, sheet: Sheet, method: str) -> None:
    given = kernel.value(f"{sheet.job('full', method)}.result()['given']")
    assert given == [0.1, [4, 2], "adam", "two words"]


@pytest.mark.parametrize("method", METHODS)
def test_parameters_are_kept_with_the_job(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("full", method)
    params = {"lr": 0.1, "layers": [4, 2], "optimizer": "adam", "note": "two words"}
    assert kernel.value(f"{job}.result()['told']") == [job, kernel.value(f"{job}.id"), params]


def test_a_job_without_a_name_is_numbered(kernel: Kernel) -> None:
    before = set(kernel.value("list(caikit_nb.jobs)"))
    kernel.do("%%caikit_job\n1")
    kernel.do("%%caikit_job\n2")
    first, second = sorted(set(kernel.value("list(caikit_nb.jobs)")) - before)
    assert int(second.removeprefix("job_")) == int(first.removeprefix("job_")) + 1
    assert kernel.value(f"caikit_nb.jobs[{second!r}].result(120)") == 2


def test_the_name_of_a_job_may_be_used_again(kernel: Kernel) -> None:
    kernel.do("%%caikit_job again --wait\n1")
    kernel.do("%%caikit_job again --wait\n2")
    assert kernel.value("again.result()") == 2
    assert kernel.value("caikit_nb.jobs['again'] is again")


def test_a_parameter_does_not_change_the_kernels_variable(kernel: Kernel) -> None:
    kernel.do("rate = 1")
    kernel.do("%%caikit_job shadow -p rate=2 -m thread --wait\nrate")
    assert kernel.value("[rate, shadow.result()]") == [1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_wait_blocks_until_the_job_has_ended(kernel: Kernel, gate: Gate, method: str) -> None:
    cell = kernel.execute(f"%%caikit_job waited -m {method} --wait\n{gate.wait}")
    gate.open()
    kernel.finish(cell)
    assert kernel.value("waited.status.name") == "COMPLETED"


def test_quiet_shows_no_card(kernel: Kernel) -> None:
    cell = kernel.do("%%caikit_job silent --quiet --wait\nprint('to the log')")
    assert (cell.displays, cell.text) == ([], "")
    assert kernel.value("silent.logs()") == "to the log\n"


def test_a_cell_shows_one_card(kernel: Kernel) -> None:
    cell = kernel.do("%%caikit_job shown --wait\n1")
    assert len(cell.displays) == 1
    assert "shown" in cell.displays[0]["text/plain"]


@pytest.mark.parametrize("method", METHODS)
def test_a_job_past_its_timeout_fails(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job late -m {method} --timeout 0.3s --wait\n"
        "import time\nwhile True:\n    time.sleep(0.01)"
    )
    assert kernel.value("[late.status.name, type(late.exception()).__name__]") == [
        "ERRORED",
        "JobTimeoutError",
    ]
    assert kernel.value("late.get_info().reason") == (
        "JobTimeoutError: the job ran past its timeout of 0.3 s and was ended"
    )


def test_time_in_the_queue_does_not_count(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job ahead\n{gate.wait}")
    kernel.do("%%caikit_job queued --timeout 0.2s\n'in time'")
    assert kernel.value("[queued.status.name, queued.wait(0.3)]") == ["QUEUED", False]
    gate.open()
    assert kernel.value("queued.wait(120)", timeout=180)
    # A busy machine may need longer for it, but had it counted, it would be over at once.
    assert kernel.value(
        "queued.result() == 'in time' if queued.exception() is None else "
        "queued._job.times._ended - queued._job.times._started >= 0.2"
    )
    kernel.do("%config CaikitJobs.max_workers = 4")


@pytest.mark.parametrize("method", FRESH)
def test_only_the_variables_of_in_are_shipped(kernel: Kernel, method: str) -> None:
    kernel.do("wanted, unwanted = 1, 2")
    kernel.do(
        f"%%caikit_job shipped -m {method} -i wanted\n"
        "[wanted, 'unwanted' in globals(), len('unwanted')]"
    )
    assert kernel.value("shipped.result(120)") == [1, False, 8]


@pytest.mark.parametrize("method", FRESH)
def test_the_names_that_a_cell_needs_are_found(kernel: Kernel, method: str) -> None:
    kernel.do("import math as maths\nbase = 3\ndef raised(to): return maths.pow(base, to)")
    kernel.do(f"%%caikit_job found -m {method}\n[raised(2), f'{{base}}']")
    assert kernel.value("found.result(120)") == [9.0, "3"]


@pytest.mark.parametrize("method", FRESH)
def test_the_card_lists_what_was_shipped_with_its_size(kernel: Kernel, method: str) -> None:
    kernel.do("payload = b'x' * 1_000_000")
    kernel.do(f"%%caikit_job sized -m {method} --wait\nlen(payload)")
    assert "shipped payload 1.0 MB" in kernel.card("sized").html


def test_auto_forks_a_quiet_kernel_and_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job chosen --wait\n1")
    assert kernel.value("chosen.start_method") == "fork"
    assert "fork: in a copy of the kernel, with the namespace of that moment" in (
        kernel.card("chosen").html
    )


FOREIGN_THREAD = """
import threading
stop = threading.Event()
worker = threading.Thread(target=stop.wait, name="somebody")
worker.start()
"""


def test_auto_does_not_fork_beside_a_foreign_thread_and_says_why(kernel: Kernel) -> None:
    kernel.do(FOREIGN_THREAD)
    try:
        kernel.do("%%caikit_job careful --wait\n1")
        assert kernel.value("careful.start_method") == "forkserver"
        assert "somebody" in kernel.card("careful").html
    finally:
        kernel.do("stop.set(); worker.join()")


def test_fork_beside_a_foreign_thread_is_refused_with_the_way_out(kernel: Kernel) -> None:
    kernel.do(FOREIGN_THREAD)
    try:
        cell = kernel.run("%%caikit_job refused -m fork\n1")
        assert "somebody" in cell.text
        assert "allow_unsafe_fork" in cell.text
        assert not kernel.value("'refused' in globals() or 'refused' in caikit_nb.jobs")
    finally:
        kernel.do("stop.set(); worker.join()")


def test_a_cell_may_be_empty_of_statements(kernel: Kernel) -> None:
    kernel.do("%%caikit_job comment --wait\n# only a comment")
    assert kernel.value("[comment.status.name, comment.result()]") == ["COMPLETED", None]


def test_a_job_can_submit_jobs_of_its_own(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job outer --wait\nimport caikit_nb\ncaikit_nb.submit(sum, [1, 2]).result(120)"
    )
    assert kernel.value("outer.result()") == 3


def test_the_line_may_go_on_and_may_end_with_a_comment(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job long -m fork \\\n"
        "  -p colour=#fff -p 'text=a # b' \\\n"
        "  -o went_on  # it's a comment, # and so on\n"
        "went_on = [colour, text]\n"
        "1 / 0"
    )
    error = kernel.run("long.result(120)").traceback
    assert kernel.value("long._job.spec.params") == {"colour": "#fff", "text": "a # b"}
    assert "5 1 / 0" in re.sub("\x1b[^m]*m", "", error)  # as the cell's lines are numbered


def test_a_reset_of_the_namespace_leaves_the_package(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do("%reset -f")
    kernel.do("%%caikit_job reset -m fork\ncaikit_nb.progress(0.5)\n6 * 7")
    assert kernel.value("reset.result(120)") == 42
