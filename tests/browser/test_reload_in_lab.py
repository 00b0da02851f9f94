"""Cards after the page was reloaded or closed, and clicks while the kernel is busy."""

import json
import pathlib

import pytest

from tests.notebook.subshell import needs_subshells

LOAD = "%load_ext caikit_nb\nimport pathlib, time"

WAITING = """%%caikit_job slow
for n in caikit_nb.progress(range(20), desc="rounds"):
    caikit_nb.log_metric(loss=1 / (n + 1))
    print("round", n)
    while n == 9 and not pathlib.Path("go").exists():
        time.sleep(0.02)"""

WIDGETS = """%%caikit_job live
from ipywidgets import IntProgress, HTML, VBox
bar, words = IntProgress(max=10, description="inside"), HTML("begun")
display(VBox([bar, words]))
for name in ("one", "two"):
    while not pathlib.Path(name).exists():
        time.sleep(0.02)
    bar.value += 5
    words.value = f"after {name}" """

BUSY = "while not pathlib.Path('free').exists():\n    time.sleep(0.02)"


@pytest.fixture
def lab(lab_page):
    def open_cells(*cells, run=None):
        for name in ("go", "one", "two", "free"):
            (lab_page.server.root / name).unlink(missing_ok=True)
        lab_page.open(lab_page.write_notebook("reload.ipynb", [LOAD, *cells]))
        for index in range(run if run is not None else len(cells) + 1):
            lab_page.run_cell(index)
            lab_page.wait_idle()
        return lab_page

    return open_cells


def touch(page, name) -> None:
    (page.server.root / name).touch()


def test_a_card_is_live_again_after_a_reload(lab):
    page = lab(WAITING)
    page.cell_output(1).get_by_text("9/20").wait_for()
    page.save()
    page.reload()
    card = page.cell_output(1)
    # For a moment the saved card is there beside the live one, which has buttons.
    card.get_by_role("button", name="Cancel").wait_for()
    card.get_by_text("9/20").wait_for()
    assert "running" in card.inner_text()
    touch(page, "go")
    card.get_by_text("completed").wait_for()
    card.get_by_text("round 19").wait_for()
    page.picture("card-reloaded")


def test_what_happened_while_the_page_was_closed_is_on_the_card(lab):
    page = lab(WAITING)
    page.cell_output(1).get_by_text("9/20").wait_for()
    page.save()
    page.page.goto("about:blank")
    touch(page, "go")
    journal = page.server.root
    assert journal.exists()
    page.open("reload.ipynb")
    card = page.cell_output(1)
    card.get_by_text("completed").wait_for()
    card.get_by_text("round 19").wait_for()
    assert card.get_by_role("img").count() >= 1


def test_a_card_is_drawn_anew_in_any_cell(lab):
    page = lab(WAITING, "%caikit_jobs show slow")
    page.cell_output(2).get_by_text("9/20").wait_for()
    page.cell_output(1).get_by_text("9/20").wait_for()
    page.execute("notebook:clear-cell-output")
    page.cell(1).locator(".caikit-card").wait_for(state="detached")
    touch(page, "go")
    page.cell_output(2).get_by_text("completed").wait_for()


def test_widgets_of_a_job_are_on_its_card_and_survive_a_reload(lab):
    page = lab(WIDGETS)
    card = page.cell_output(1)
    card.get_by_text("begun", exact=True).wait_for()
    touch(page, "one")
    card.get_by_text("after one", exact=True).wait_for()
    page.picture("card-widgets")
    page.save()
    page.reload()
    card = page.cell_output(1)
    card.get_by_text("after one", exact=True).wait_for()
    touch(page, "two")
    card.get_by_text("after two", exact=True).wait_for()
    width = card.locator(".widget-hprogress .progress-bar").evaluate("bar => bar.style.width")
    assert width == "100%"


@needs_subshells
def test_a_click_while_a_cell_runs_is_obeyed_at_once(lab):
    page = lab(WAITING, BUSY, run=2)
    card = page.cell_output(1)
    card.get_by_text("9/20").wait_for()
    page.run_cell(2)
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        " === 'busy'"
    )
    page.cell_output(1).get_by_role("button", name="Cancel").click()
    card.get_by_text("cancelled").first.wait_for(timeout=180_000)
    touch(page, "free")
    page.wait_idle()


def test_the_saved_notebook_is_whole_for_nbconvert(lab):
    from nbconvert import HTMLExporter

    page = lab(WAITING)
    touch(page, "go")
    page.cell_output(1).get_by_text("completed").wait_for()
    page.save()
    path = pathlib.Path(page.server.root) / "reload.ipynb"
    html, _ = HTMLExporter().from_filename(str(path))
    body = html[html.index("<body") :]
    for text in ("completed", "round 19", "rounds", "<svg"):
        assert text in body
    saved = json.loads(path.read_text("utf-8"))
    (output,) = saved["cells"][1]["outputs"]
    assert "completed" in "".join(output["data"]["text/html"])
