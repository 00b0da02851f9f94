"""A job's cell is a cell: what IPython can do in one works in the other."""

import re

import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.sheet import Sheet

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")
ANSI = re.compile(r"\x1b\[[0-9;]*m")

SET_UP = """def defined_elsewhere(x):
    y = x - x
    return 1 / y
import os
import pandas as pd
word, start = 'interpolated', 5
os.makedirs('workplace', exist_ok=True)
os.chdir('workplace')
os.environ['CAIKIT_MOOD'] = 'calm'
"""
CELLS = {
    "features": """-o found
!echo from a shell
import asyncio, logging, os, warnings
from IPython.display import HTML, display
lines = !echo {word}; echo $word
%env CAIKIT_WORD=magic
%time 1 + 1
ran = asyncio.run(asyncio.sleep(0, 'ran'))
found = {'lines': list(lines), 'word': os.environ['CAIKIT_WORD'], 'ran': ran}
display(HTML('<b>bold words</b>'))
handle = display('first', display_id=True)
handle.update('second')
warnings.warn('a warning')
logging.getLogger('mine').warning('a logged line')
pd.DataFrame({'column': [17]})""",
    # For processes only, as it changes what a thread shares with the kernel.
    "magic": """-o total,where,squares
%%time
import multiprocessing, os
total, where = start + 1, [os.getcwd(), os.environ['CAIKIT_MOOD']]
with multiprocessing.get_context('fork').Pool(2) as pool:
    squares = pool.map(abs, [-1, -2])
%cd -q /
total""",
    "bash": """
%%bash
for n in 1 2; do echo line $n; done""",
    "leaving": """
import asyncio, sys
print('so far', await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3))))
sys.exit()
print('never')""",
    "failing": """
def inner(x):
    return defined_elsewhere(x)

print('before')
inner(7)""",
    "drawing": """
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 3]);""",
    "figure": """
plt.plot([1, 2, 3])
plt.title('drawn');""",
}


@pytest.fixture(scope="module")
def sheet(loaded_kernel: Kernel) -> Sheet:
    return Sheet(loaded_kernel, SET_UP, CELLS)


@pytest.mark.parametrize("method", METHODS)
def test_a_shell_command_prints_to_the_log(kernel: Kernel, sheet: Sheet, method: str) -> None:
    log = kernel.value(f"{sheet.job('features', method)}.logs()")
    assert log.replace("\r\n", "\n").startswith("from a shell\n")


@pytest.mark.parametrize("method", METHODS)
def test_a_shell_commands_output_can_be_assigned(kernel: Kernel, sheet: Sheet, method: str) -> None:
    lines = kernel.value(f"{sheet.job('features', method)}.outputs['found']['lines']")
    assert lines == ["interpolated", "interpolated"]


@pytest.mark.parametrize("method", PROCESSES)
def test_the_body_may_be_a_bash_cell(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("bash", method)
    assert kernel.value(f"[{job}.status.name, {job}.logs()]") == ["COMPLETED", "line 1\nline 2\n"]


@pytest.mark.parametrize("method", METHODS)
def test_line_magics_work(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("features", method)
    assert kernel.value(f"{job}.outputs['found']['word']") == "magic"
    assert "Wall time" in kernel.value(f"{job}.logs()")


@pytest.mark.parametrize("method", PROCESSES)
def test_a_cell_magic_of_ipython_works(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("magic", method)
    assert "Wall time" in kernel.value(f"{job}.logs()")
    assert kernel.value(f"[{job}.status.name, total, {job}.outputs['total']]") == [
        "COMPLETED", 6, 6,
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_top_level_await_works(kernel: Kernel, sheet: Sheet, method: str) -> None:
    assert kernel.value(f"{sheet.job('leaving', method)}.logs()") == "so far [0, 1, 2]\n"


@pytest.mark.parametrize("method", METHODS)
def test_asyncio_run_works(kernel: Kernel, sheet: Sheet, method: str) -> None:
    assert kernel.value(f"{sheet.job('features', method)}.outputs['found']['ran']") == "ran"


@pytest.mark.parametrize("method", METHODS)
def test_displays_reach_the_card_and_no_cell(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("features", method)
    assert len(sheet.shown("features", method).displays) == 1  # the card
    bold = "<b>bold words</b>"
    assert kernel.value(f"{job}.displays[0].data['text/html']") == bold
    card = kernel.card(job)

    def live() -> list[str]:
        outputs = [kernel.widgets[m].get("outputs", ()) for m in card.model_ids]
        return [output["data"].get("text/html", "") for group in outputs for output in group]

    kernel.read_until(lambda: len(live()) == 3, what="three displays on the card")
    assert live()[0] == bold
    kernel.read_until(lambda: bold in card.saved["text/html"])


@pytest.mark.parametrize("method", METHODS)
def test_the_last_expression_is_displayed(kernel: Kernel, sheet: Sheet, method: str) -> None:
    data = kernel.value(f"[dict(d.data) for d in {sheet.job('features', method)}.displays]")
    assert len(data) == 3  # two are asked for in the cell
    assert "<table" in data[-1]["text/html"]
    assert "17" in data[-1]["text/plain"]


@pytest.mark.parametrize("method", METHODS)
def test_a_semicolon_keeps_the_last_expression_back(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job hushed -m {method} --wait\n40 + 2;")
    assert kernel.value("[hushed.status.name, len(hushed.displays)]") == ["COMPLETED", 0]


@pytest.mark.parametrize("method", METHODS)
def test_an_updated_display_replaces_the_one_before(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    job = sheet.job("features", method)
    texts = kernel.value(f"[d.data['text/plain'] for d in {job}.displays]")
    assert texts[1] == "'second'"
    assert "'first'" not in texts


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_may_ask_for_inline_figures_itself(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("drawing", method)
    assert kernel.value(f"{job}.status.name") == "COMPLETED"
    assert kernel.value(f"['image/png' in d.data for d in {job}.displays]") == [True]


@pytest.mark.parametrize("method", PROCESSES)
def test_an_inline_figure_reaches_the_card(kernel: Kernel, sheet: Sheet, method: str) -> None:
    kernel.do("%matplotlib inline\nimport matplotlib.pyplot as plt")
    job = sheet.job("figure", method)
    kinds = kernel.value(f"[sorted(d.data) for d in {job}.displays]")
    assert [kind for kind in kinds if "image/png" in kind]
    card = kernel.card(job)
    kernel.read_until(lambda: "data:image/png;base64," in card.saved["text/html"])


def test_a_fresh_interpreter_has_no_windows_and_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job window -m forkserver --wait\n%gui qt")
    assert "has no windows: use %matplotlib inline" in kernel.value("window.logs()")


def test_a_job_leaves_no_figure_in_the_kernel(kernel: Kernel) -> None:
    kernel.do("import matplotlib.pyplot as plt\nplt.close('all')")
    kernel.do("%%caikit_job figure -m fork --wait\nplt.plot([1, 2])")
    cell = kernel.do("print(plt.get_fignums())")
    assert cell.text == "[]\n"
    assert cell.displays == []


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_shows_the_cells_own_lines(kernel: Kernel, sheet: Sheet, method: str) -> None:
    shown = ANSI.sub("", kernel.run(f"{sheet.job('failing', method)}.result()").traceback)
    assert "return defined_elsewhere(x)" in shown
    assert "inner(7)" in shown
    # The magic's own line counts, as it does for the numbers beside the cell.
    assert re.search(r"-+> +3 +return defined_elsewhere\(x\)", shown)
    assert re.search(r"-+> +6 +inner\(7\)", shown)
    assert "caikit_nb/" not in shown


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_is_coloured(kernel: Kernel, sheet: Sheet, method: str) -> None:
    traceback = kernel.run(f"{sheet.job('failing', method)}.result()").traceback
    assert "\x1b[" in traceback
    assert "ZeroDivisionError" in traceback


@pytest.mark.parametrize("method", METHODS)
def test_the_card_of_a_failed_job_shows_reason_and_traceback(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    html = kernel.card(sheet.job("failing", method)).wait_for("failed")
    assert "ZeroDivisionError: division by zero" in html
    assert "<details" in html
    assert "inner" in html


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_shows_lines_of_other_cells(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    shown = ANSI.sub("", kernel.run(f"{sheet.job('failing', method)}.result()").traceback)
    assert "return 1 / y" in shown
    assert re.search(r"Cell In\[\d+\], line 3, in defined_elsewhere", shown)


@pytest.mark.parametrize("method", METHODS)
def test_a_clean_exit_is_no_failure(kernel: Kernel, sheet: Sheet, method: str) -> None:
    job = sheet.job("leaving", method)
    assert kernel.value(f"[{job}.status.name, {job}.logs()]") == [
        "COMPLETED", "so far [0, 1, 2]\n",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_an_exit_with_a_code_is_a_failure(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job leaving -m {method} --wait\nimport sys\nsys.exit(3)")
    assert kernel.value("[leaving.status.name, leaving.get_info().reason]") == [
        "ERRORED", "SystemExit: 3",
    ]  # fmt: skip


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_may_use_multiprocessing(kernel: Kernel, sheet: Sheet, method: str) -> None:
    assert kernel.value(f"{sheet.job('magic', method)}.outputs['squares']") == [1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_warnings_and_logging_reach_the_log(kernel: Kernel, sheet: Sheet, method: str) -> None:
    log = kernel.value(f"{sheet.job('features', method)}.logs()")
    assert "a warning" in log
    assert "a logged line" in log


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_starts_in_the_kernels_directory_and_environment(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    where = kernel.value(f"{sheet.job('magic', method)}.outputs['where']")
    assert where == [str(kernel.home / "workplace"), "calm"]


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_does_not_change_the_kernels_directory(
    kernel: Kernel, sheet: Sheet, method: str
) -> None:
    assert kernel.value(f"{sheet.job('magic', method)}.status.name") == "COMPLETED"
    assert kernel.value("__import__('os').getcwd()") == str(kernel.home / "workplace")


@pytest.mark.parametrize("method", METHODS)
def test_a_job_makes_no_history(kernel: Kernel, method: str) -> None:
    kernel.do("1")
    kernel.do(f"%%caikit_job quietly -m {method} --wait\n'from the job'")
    assert kernel.value("[_, len(In) - get_ipython().execution_count]") == [1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_input_fails_with_what_to_do(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job asking -m {method}\ninput('name? ')")
    assert "a background job can't ask for input" in kernel.run("asking.result(120)").error
