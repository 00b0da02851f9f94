"""Cells of a real kernel report their progress in the ways they always have, unchanged."""

import re

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
every_method = pytest.mark.parametrize("method", METHODS)

BARS = {
    "tqdm": "from tqdm import tqdm\nfor _ in tqdm(range(3), desc='a bar'): pass",
    "auto": "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='a bar'): pass",
    "notebook": "from tqdm.notebook import tqdm\nfor _ in tqdm(range(3), desc='a bar'): pass",
    "rich of tqdm": "from tqdm.rich import tqdm\nfor _ in tqdm(range(3), desc='a bar'): pass",
    "ranges": "from tqdm.auto import trange\nfor _ in trange(3, desc='a bar'): pass",
    "rich": "from rich.progress import track\nfor _ in track(range(3), 'a bar'): pass",
    "rich's tasks": "from rich.progress import Progress\nwith Progress() as shown:\n"
    "    shown.update(shown.add_task('a bar', total=3), advance=3)",
    "printed": "for n in range(4): print(f'\\ra bar: [{\"=\" * n:10}] {n}/3', end='')\nprint()",
}
PRINTS = ("printed",)


def facts(kernel: Kernel, name: str) -> list[list[object]]:
    """What the job's bars are in the end."""
    kernel.do(f"{name}.wait(120)", timeout=180)
    kernel.do(f"{name}.result()")
    told = f"[[bar.desc, bar.n, bar.total, bar.closed] for bar in {name}.progress]"
    return kernel.value(told)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", BARS)
@every_method
def test_a_bar_of_a_cell_is_on_its_card(kernel: Kernel, method: str, kind: str) -> None:
    kernel.do(f"%%caikit_job shown -m {method}\nimport warnings\n{BARS[kind]}\nNone")
    assert facts(kernel, "shown") == [["a bar", 3, 3, True]]
    html = kernel.card("shown").wait_for("completed")
    assert html.count('role="progressbar"') == 1
    assert 'aria-label="a bar"' in html
    assert kernel.value("[len(shown.displays), len(shown.logs().splitlines())]") == [
        0,
        int(kind in PRINTS),
    ]


@pytest.mark.parametrize("module", ["tqdm.auto", "tqdm.notebook", "tqdm.rich"])
@pytest.mark.parametrize("method", ["fork", "thread"])
def test_bars_that_an_earlier_cell_imported(kernel: Kernel, method: str, module: str) -> None:
    kernel.do(f"from {module} import tqdm as earlier")
    kernel.do(
        f"%%caikit_job shown -m {method}\nimport warnings\nwarnings.simplefilter('error')\n"
        "for _ in earlier(range(3), desc='a bar'): pass"
    )
    assert facts(kernel, "shown") == [["a bar", 3, 3, True]]
    assert kernel.value("[len(shown.displays), shown.logs(raw=True)]") == [0, ""]
    kernel.do("del earlier")  # a fresh interpreter of another test need not get it


@pytest.mark.parametrize("method", ["fork", "thread"])
def test_rich_that_an_earlier_cell_imported(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import rich\nfrom rich.console import Console\nfrom rich.progress import Progress\n"
        "console = Console()"
    )
    kernel.do(
        f"%%caikit_job shown -m {method}\nwith Progress(console=console) as progress:\n"
        "    task = progress.add_task('a bar', total=3)\n    console.print('[b]within[/]')\n"
        "    progress.advance(task, 3)\nrich.print({'a': 1})"
    )
    assert facts(kernel, "shown") == [["a bar", 3, 3, True]]
    text = kernel.value("shown.logs(raw=True)")
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == "within\n{'a': 1}\n"
    assert kernel.value("len(shown.displays)") == 0
    assert "font-weight:bold" in kernel.card("shown").wait_for("within")


@every_method
def test_a_submitted_function_has_bars(kernel: Kernel, method: str) -> None:
    kernel.do(
        "def work():\n    from rich.progress import track\n    from tqdm.notebook import tqdm\n"
        "    list(tqdm(range(3), desc='by tqdm'))\n    list(track(range(3), 'by rich'))"
    )
    kernel.do(f"shown = caikit_nb.options(start_method='{method}').submit(work)")
    assert facts(kernel, "shown") == [["by tqdm", 3, 3, True], ["by rich", 3, 3, True]]
    assert kernel.value("shown.logs(raw=True)") == ""


def test_after_a_job_in_a_thread_the_notebooks_own_bars_are_widgets(kernel: Kernel) -> None:
    kernel.do(f"%%caikit_job shown -m thread --wait\n{BARS['notebook']}\n{BARS['rich']}")
    cell = kernel.do("from tqdm.notebook import tqdm\nfor _ in tqdm(range(3), desc='own'): pass")
    assert "application/vnd.jupyter.widget-view+json" in cell.displays[0]
    cell = kernel.do("import rich\nrich.print('[b]own[/]')")
    assert "font-weight: bold" in cell.displays[0]["text/html"]
    cell = kernel.do("from tqdm import tqdm\nfor _ in tqdm(range(3), desc='own'): pass")
    assert "own: 100%" in cell.text


@every_method
def test_a_printed_bar_is_live_and_one_line_of_the_card(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do(
        f"%%caikit_job shown -m {method}\nimport sys\nprint('Epoch 1/2')\n"
        'for n in range(40):\n    sys.stdout.write(f\'\\r{n}/80 [{"=" * n}>{"." * (80 - n)}]\')\n'
        f"sys.stdout.flush()\n{gate.wait}\nprint()"
    )
    html = kernel.card("shown").wait_for("39/80")
    kernel.card("shown").wait_for('aria-label="Epoch 1/2"')
    assert html.count("/80") <= 2, "in the log and beside the bar"
    gate.open()
    assert facts(kernel, "shown") == [["Epoch 1/2", 39, 80, True]]


def test_a_spinner_does_not_flood_the_log(kernel: Kernel) -> None:
    kernel.do(
        "%%caikit_job shown -m fork\nimport os\nos.environ['FORCE_COLOR'] = '1'\n"
        "from rich.console import Console\nwith Console().status('thinking') as status:\n"
        "    for _ in range(200):\n        status.update(f'thinking {_}', spinner='dots')"
    )
    assert facts(kernel, "shown") == []
    assert kernel.value("shown.logs(raw=True)") == ""
