"""With jupyter-collaboration several windows share one document, which the server saves.

`make test-collaboration` runs this in an environment of its own: where that package is installed
each notebook is shared.
"""

import pytest

from tests.browser import record
from tests.browser.lab import CURRENT
from tests.waiting import until

pytestmark = pytest.mark.collaboration

NAME = "shared.ipynb"
LOAD = "%load_ext caikit_nb\nimport caikit_nb, pathlib, time"
WAITING = """%%caikit_job slow
for n in caikit_nb.progress(range(20), desc="rounds"):
    print("round", n)
    while n == 9 and not pathlib.Path("go").exists():
        time.sleep(0.02)
'the value'"""
LOOP = """def work():
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
futures = [caikit_nb.submit(work) for n in range(3)]
print("submitted")"""
# They end when JupyterLab, the other window and the server are at any of their steps.
LENGTHS_S = (0, 0.3, 0.7, 0.9, 1.1, 1.5, 2.1)
QUICK = "%%caikit_job quick\ntime.sleep({})\nprint('quick words')"
KINDS = f"""index => [...Array({CURRENT}.context.model.cells.get(index).outputs.length).keys()].map(
    n => {CURRENT}.context.model.cells.get(index).outputs.get(n).type)"""


@pytest.fixture
def windows(new_page):
    """Two of them, and what shows a notebook in both."""
    first, second = new_page(), new_page()

    def open_cells(*cells):
        (first.server.root / "go").unlink(missing_ok=True)
        first.write_notebook(NAME, [LOAD, *cells])
        for page in (first, second):
            page.open_anew(NAME)
        run(first, 0)
        return first, second

    yield open_cells
    first.server.shut_down_kernels()
    for page in (first, second):
        page.page.close()


def run(page, index: int) -> None:
    page.run_cell(index)
    page.wait_idle()


def let_go(page) -> None:
    (page.server.root / "go").touch()


def wait_words(pages, cell: int, *words: str) -> None:
    """Until the file has them, and says of nothing that it runs."""

    def are_kept() -> bool:
        for page in pages:  # that they do what they have to
            page.page.wait_for_timeout(20)
        text = record.kept(pages[0], NAME, cell)
        return all(word in text for word in words) and "running" not in text

    until(are_kept, f"{words} in the file")


def wait_kept(pages, cell: int, *words: str) -> None:
    """Until file and windows have the words, in one output; nobody was asked anything."""

    wait_words(pages, cell, *words)
    for page in pages:
        for word in words:
            page.cell_output(cell).get_by_text(word).first.wait_for()
    until(lambda: len(record.outputs(pages[0], NAME, cell)) == 1, "one output in the file")
    for page in pages:
        assert page.page.evaluate(KINDS, cell) == ["display_data"]
        assert not page.page.locator(".jp-Dialog").count()


def test_each_card_is_there_once_however_long_its_job_takes(windows):
    cells = [QUICK.format(length) for length in LENGTHS_S]
    pages = windows(*cells)
    for _ in range(2):
        for index in range(1, len(cells) + 1):
            run(pages[0], index)
        for index in range(1, len(cells) + 1):
            wait_kept(pages, index, "completed", "quick words")


def wait_live(page) -> None:
    page.cell_output(1).get_by_text("9/20").wait_for()


def test_the_other_window_has_the_card_and_the_live_one_once_it_is_loaded_anew(windows):
    pages = windows(WAITING)
    run(pages[0], 1)
    wait_live(pages[0])
    # JupyterLab trusts what another window has run only then.
    pages[1].cell_output(1).get_by_text("running").wait_for()
    pages[1].reload()
    wait_live(pages[1])
    let_go(pages[0])
    wait_kept(pages, 1, "completed", "round 19", "the value")


@pytest.mark.parametrize("goes", [0, 1])
def test_the_end_is_written_whichever_window_is_gone(windows, goes):
    pages = windows(WAITING)
    run(pages[0], 1)
    wait_live(pages[0])
    pages[1].cell_output(1).get_by_text("running").wait_for()
    pages[goes].page.goto("about:blank")
    let_go(pages[0])
    wait_kept(pages[1 - goes : 2 - goes], 1, "completed", "round 19", "the value")


def test_the_end_is_written_once_after_a_reload(windows):
    pages = windows(WAITING)
    run(pages[0], 1)
    for page in pages:
        page.reload()
        wait_live(page)
    let_go(pages[0])
    wait_kept(pages, 1, "completed", "round 19", "the value")


@pytest.mark.parametrize("by", [0, 1])
def test_a_job_run_again_from_either_window_has_the_one_card(windows, by):
    pages = windows(WAITING)
    run(pages[0], 1)
    let_go(pages[0])
    wait_kept(pages, 1, "completed")
    pages[1].reload()
    (pages[0].server.root / "go").unlink()
    pages[by].cell_output(1).get_by_role("button", name="Run again").click()
    for page in pages:
        wait_live(page)
    let_go(pages[0])
    wait_kept(pages, 1, "completed", "round 19", "the value")


def test_the_end_of_the_kernel_is_written_once(windows):
    pages = windows(WAITING)
    run(pages[0], 1)
    wait_live(pages[0])
    kernel = record.kernel_id(pages[0].server, NAME)
    pages[0].server.api(f"kernels/{kernel}/restart", method="POST")
    wait_kept(pages, 1, "ended with the kernel")


def test_what_else_the_cell_shows_stays(windows):
    pages = windows(LOOP)
    run(pages[0], 1)
    for page in pages:
        page.reload()
        page.cell_output(1).get_by_text("submitted").wait_for()
    let_go(pages[0])
    wait_words(pages, 1, "3 completed")
    shown = record.read(pages[0], NAME).cells[1].outputs
    assert [output.output_type for output in shown] == ["display_data", "stream"]
    for page in pages:
        page.cell_output(1).get_by_text("3 completed").first.wait_for()
        assert page.page.evaluate(KINDS, 1) == ["display_data", "stream"]
