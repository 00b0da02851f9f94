"""A job's cell is a cell: what IPython can do in one works in the other."""

import re

import pytest

from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("method", METHODS)
def test_a_shell_command_prints_to_the_log(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job shell -m {method} --wait\n!echo from a shell")
    assert kernel.value("shell.logs()").replace("\r\n", "\n") == "from a shell\n"


@pytest.mark.parametrize("method", METHODS)
def test_a_shell_commands_output_can_be_assigned(kernel: Kernel, method: str) -> None:
    kernel.do("word = 'interpolated'")
    kernel.do(f"%%caikit_job assigned -m {method}\nlines = !echo {{word}}; echo $word\nlist(lines)")
    assert kernel.value("assigned.result(20)") == ["interpolated", "interpolated"]


@pytest.mark.parametrize("method", PROCESSES)
def test_the_body_may_be_a_bash_cell(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job bash -m {method} --wait\n%%bash\nfor n in 1 2; do echo line $n; done")
    assert kernel.value("[bash.status.name, bash.logs()]") == ["COMPLETED", "line 1\nline 2\n"]


@pytest.mark.parametrize("method", METHODS)
def test_line_magics_work(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job magics -m {method} --wait\n%env CAIKIT_WORD=magic\n%time 1 + 1\n"
        "import os\nos.environ['CAIKIT_WORD']"
    )
    assert kernel.value("magics.result()") == "magic"
    assert "Wall time" in kernel.value("magics.logs()")


@pytest.mark.parametrize("method", PROCESSES)
def test_a_cell_magic_of_ipython_works(kernel: Kernel, method: str) -> None:
    kernel.do("start = 5")
    kernel.do(f"%%caikit_job timed -m {method} -o total --wait\n%%time\ntotal = start + 1\ntotal")
    assert "Wall time" in kernel.value("timed.logs()")
    assert kernel.value("[timed.status.name, total]") == ["COMPLETED", 6]


@pytest.mark.parametrize("method", METHODS)
def test_top_level_await_works(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job awaiting -m {method}\nimport asyncio\n"
        "values = await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3)))\nvalues"
    )
    assert kernel.value("awaiting.result(20)") == [0, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_asyncio_run_works(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job looping -m {method}\nimport asyncio\nasyncio.run(asyncio.sleep(0, 'ran'))"
    )
    assert kernel.value("looping.result(20)") == "ran"


@pytest.mark.parametrize("method", METHODS)
def test_displays_reach_the_card_and_no_cell(kernel: Kernel, method: str) -> None:
    cell = kernel.do(
        f"%%caikit_job display_{method} -m {method} --wait\n"
        "from IPython.display import HTML, display\ndisplay(HTML('<b>bold words</b>'))"
    )
    assert len(cell.displays) == 1  # the card
    kernel.do(f"job = display_{method}")
    assert kernel.value("[d.data['text/html'] for d in job.displays]") == ["<b>bold words</b>"]
    card = kernel.card(f"display_{method}")

    def live() -> list[str]:
        outputs = [kernel.widgets[m].get("outputs", ()) for m in card.model_ids]
        return [output["data"]["text/html"] for group in outputs for output in group]

    kernel.read_until(lambda: live() == ["<b>bold words</b>"])
    kernel.read_until(lambda: "<b>bold words</b>" in card.saved["text/html"])


@pytest.mark.parametrize("method", METHODS)
def test_the_last_expression_is_displayed(kernel: Kernel, method: str) -> None:
    kernel.do("import pandas as pd")
    kernel.do(f"%%caikit_job table -m {method} --wait\npd.DataFrame({{'column': [17]}})")
    data = kernel.value("[dict(d.data) for d in table.displays]")
    assert len(data) == 1
    assert "<table" in data[0]["text/html"]
    assert "17" in data[0]["text/plain"]


@pytest.mark.parametrize("method", METHODS)
def test_a_semicolon_keeps_the_last_expression_back(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job hushed -m {method} --wait\n40 + 2;")
    assert kernel.value("[hushed.status.name, len(hushed.displays)]") == ["COMPLETED", 0]


@pytest.mark.parametrize("method", METHODS)
def test_an_updated_display_replaces_the_one_before(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job updated -m {method} --wait\nfrom IPython.display import display\n"
        "handle = display('first', display_id=True)\nhandle.update('second')"
    )
    assert kernel.value("[d.data['text/plain'] for d in updated.displays]") == ["'second'"]


@pytest.mark.parametrize("method", PROCESSES)
def test_an_inline_figure_reaches_the_card(kernel: Kernel, method: str) -> None:
    kernel.do("%matplotlib inline\nimport matplotlib.pyplot as plt")
    kernel.do(f"%%caikit_job figure -m {method} --wait\nplt.plot([1, 2, 3])\nplt.title('drawn');")
    kinds = kernel.value("[sorted(d.data) for d in figure.displays]")
    assert [kind for kind in kinds if "image/png" in kind]
    card = kernel.card("figure")
    kernel.read_until(lambda: "data:image/png;base64," in card.saved["text/html"])


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_may_ask_for_inline_figures_itself(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job figure -m {method} --wait\n%matplotlib inline\n"
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);"
    )
    assert kernel.value("figure.status.name") == "COMPLETED"
    assert kernel.value("['image/png' in d.data for d in figure.displays]") == [True]


def test_a_fresh_interpreter_has_no_windows_and_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job window -m forkserver --wait\n%gui qt")
    assert "has no windows: use %matplotlib inline" in kernel.value("window.logs()")


def test_a_job_leaves_no_figure_in_the_kernel(kernel: Kernel) -> None:
    kernel.do("import matplotlib.pyplot as plt\nplt.close('all')")
    kernel.do("%%caikit_job figure -m fork --wait\nplt.plot([1, 2])")
    cell = kernel.do("print(plt.get_fignums())")
    assert cell.text == "[]\n"
    assert cell.displays == []


FAILING = """%%caikit_job failing -m {method} --wait
def inner(x):
    return x / 0

print('before')
inner(7)"""


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_shows_the_cells_own_lines(kernel: Kernel, method: str) -> None:
    kernel.do(FAILING.format(method=method))
    shown = ANSI.sub("", kernel.run("failing.result()").traceback)
    assert "return x / 0" in shown
    assert "inner(7)" in shown
    # The magic's own line counts, as it does for the numbers beside the cell.
    assert re.search(r"-+> +3 +return x / 0", shown)
    assert re.search(r"-+> +6 +inner\(7\)", shown)
    assert "caikit_nb/" not in shown


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_is_coloured(kernel: Kernel, method: str) -> None:
    kernel.do(FAILING.format(method=method))
    assert "\x1b[" in kernel.run("failing.result()").traceback
    assert "ZeroDivisionError" in kernel.run("failing.result()").traceback


@pytest.mark.parametrize("method", METHODS)
def test_the_card_of_a_failed_job_shows_reason_and_traceback(kernel: Kernel, method: str) -> None:
    kernel.do(FAILING.format(method=method))
    html = kernel.card("failing").wait_for("failed")
    assert "ZeroDivisionError: division by zero" in html
    assert "<details" in html
    assert "inner" in html


@pytest.mark.parametrize("method", METHODS)
def test_the_traceback_shows_lines_of_other_cells(kernel: Kernel, method: str) -> None:
    kernel.do("def defined_elsewhere(x):\n    y = x - x\n    return 1 / y")
    kernel.do(f"%%caikit_job calling -m {method} --wait\ndefined_elsewhere(3)")
    shown = ANSI.sub("", kernel.run("calling.result()").traceback)
    assert "return 1 / y" in shown
    assert re.search(r"Cell In\[\d+\], line 3, in defined_elsewhere", shown)


@pytest.mark.parametrize("method", METHODS)
def test_a_clean_exit_is_no_failure(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job leaving -m {method} --wait\nprint('so far')\nimport sys\nsys.exit()")
    assert kernel.value("[leaving.status.name, leaving.logs()]") == ["COMPLETED", "so far\n"]


@pytest.mark.parametrize("method", METHODS)
def test_an_exit_with_a_code_is_a_failure(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job leaving -m {method} --wait\nimport sys\nsys.exit(3)")
    assert kernel.value("[leaving.status.name, leaving.get_info().reason]") == [
        "ERRORED", "SystemExit: 3",
    ]  # fmt: skip


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_may_use_multiprocessing(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job pooling -m {method}\nimport multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    squares = pool.map(abs, [-1, -2])\nsquares"
    )
    assert kernel.value("pooling.result(20)") == [1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_warnings_and_logging_reach_the_log(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job warning -m {method} --wait\nimport logging, warnings\n"
        "warnings.warn('a warning')\nlogging.getLogger('mine').warning('a logged line')"
    )
    log = kernel.value("warning.logs()")
    assert "a warning" in log
    assert "a logged line" in log


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_starts_in_the_kernels_directory_and_environment(
    kernel: Kernel, method: str, tmp_path: object
) -> None:
    kernel.do(
        f"import os\nhome = os.getcwd()\nos.chdir({str(tmp_path)!r})\n"
        "os.environ['CAIKIT_MOOD'] = 'calm'"
    )
    try:
        kernel.do(
            f"%%caikit_job placed -m {method}\nimport os\n[os.getcwd(), os.environ['CAIKIT_MOOD']]"
        )
        assert kernel.value("placed.result(20)") == [str(tmp_path), "calm"]
    finally:
        kernel.do("os.chdir(home)")


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_does_not_change_the_kernels_directory(kernel: Kernel, method: str) -> None:
    before = kernel.value("__import__('os').getcwd()")
    kernel.do(f"%%caikit_job moving -m {method} --wait\n%cd -q /")
    assert kernel.value("__import__('os').getcwd()") == before


@pytest.mark.parametrize("method", METHODS)
def test_a_job_makes_no_history(kernel: Kernel, method: str) -> None:
    kernel.do("1")
    kernel.do(f"%%caikit_job quietly -m {method} --wait\n'from the job'")
    assert kernel.value("[_, len(In) - get_ipython().execution_count]") == [1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_input_fails_with_what_to_do(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job asking -m {method}\ninput('name? ')")
    assert "a background job can't ask for input" in kernel.run("asking.result(5)").error
