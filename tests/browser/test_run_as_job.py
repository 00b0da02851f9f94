"""Cells that are run as jobs by a button, a shortcut or a form, and what follows from that."""

import json

import pytest

LOAD = "%load_ext caikit_nb"
BUTTON = "Run this cell in the background, as the last time"
PLAIN = "print('in', type(caikit_nb.current_job()).__name__)"
SOURCE = """index => window.jupyterapp.shell.currentWidget
    .content.widgets[index].model.sharedModel.getSource()"""
SELECT = """([anchor, head]) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = anchor;
    content.extendContiguousSelectionTo(head);
}"""


@pytest.fixture
def notebook(lab_page):
    def open_cells(*cells):
        lab_page.open(lab_page.write_notebook("run.ipynb", cells))
        return lab_page

    return open_cells


def test_button_runs_the_cell_as_it_is(notebook):
    page = notebook(PLAIN)
    page.cell(0).click()
    page.picture("cell-toolbar")
    page.cell(0).get_by_title(BUTTON).click()
    card = page.cell_output(0)
    card.get_by_text("in CurrentJob").wait_for()
    card.get_by_text("job_1").wait_for()
    assert page.page.evaluate(SOURCE, 0) == PLAIN


def test_shortcut_runs_the_cell_and_its_magic_is_read(notebook):
    page = notebook("%%caikit_job mine -o x\nx = 6 * 7", "x")
    page.cell(0).locator(".cm-content").click()
    page.page.keyboard.press("Alt+Shift+Enter")
    page.cell_output(0).get_by_text("x is in the namespace").wait_for()
    page.cell_output(0).get_by_text("mine").first.wait_for()
    page.run_cell(1)
    page.wait_idle()
    assert page.cell_output_text(1) == "42"


def test_selected_cells_are_one_job(notebook):
    page = notebook("a = 20", "b = 22", "print('sum', a + b)")
    page.page.evaluate(SELECT, [0, 2])
    page.execute("caikit-nb:run-as-job")
    page.cell_output(2).get_by_text("sum 42").wait_for()


def test_form_asks_and_remembers(notebook):
    page = notebook("value = 5")
    page.execute("caikit-nb:run-as-job-with-options")
    form = page.page.locator(".jp-caikit-Form")
    form.get_by_label("Name").fill("asked")
    form.get_by_label("Bring back").fill("value")
    form.get_by_label("Start method").select_option("spawn")
    form.get_by_label("Keep result for").fill("2h")
    page.picture("form-light")
    page.page.get_by_role("button", name="Run", exact=True).click()
    card = page.cell_output(0)
    card.get_by_text("value is in the namespace").wait_for()
    assert "spawn" in card.inner_text()
    page.execute("caikit-nb:run-as-job-with-options")
    assert form.get_by_label("Name").input_value() == "asked"
    assert form.get_by_label("Start method").input_value() == "spawn"
    page.page.get_by_role("button", name="Cancel", exact=True).click()


def test_form_records_the_cell_in_an_experiment(notebook):
    database = "import os; os.environ['CAIKIT_NB_EXPERIMENTS'] = 'sqlite:///form.sqlite'"
    page = notebook(database, "caikit_nb.log_metric(loss=0.25)", "2", "%caikit_experiment digits")
    page.run_cell(0)
    page.wait_idle()
    page.page.evaluate(SELECT, [1, 1])
    page.execute("caikit-nb:run-as-job-with-options")
    form = page.page.locator(".jp-caikit-Form")
    form.get_by_label("Experiment").fill("digits")
    form.get_by_label("More options").fill("-p lr=0.1")
    page.page.get_by_role("button", name="Run", exact=True).click()
    card = page.cell_output(1)
    card.get_by_text("completed").first.wait_for()
    assert "digits" in card.inner_text()
    page.run_cell(3)
    page.cell_output(3).get_by_text("0.25 with lr=0.1").wait_for()
    page.page.evaluate(SELECT, [2, 2])
    page.execute("caikit-nb:run-as-job-with-options")
    assert form.get_by_label("Experiment").input_value() == "", "it was that cell's"
    form.get_by_label("More options").wait_for()
    page.picture("form-with-experiment")
    page.page.get_by_role("button", name="Cancel", exact=True).click()


def test_wrong_option_is_told_under_the_cell(notebook):
    page = notebook("%%caikit_job -m nothing\n1")
    page.execute("caikit-nb:run-as-job")
    page.cell_output(0).get_by_text("'nothing' is not one of auto, fork").wait_for()


def test_notebook_is_saved_when_a_job_is_submitted(notebook):
    page = notebook(LOAD, "%%caikit_job endless\nimport threading\nthreading.Event().wait()")
    page.run_all()
    page.cell_output(1).get_by_role("button", name="Cancel").wait_for()
    page.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = json.loads((page.server.root / "run.ipynb").read_text("utf-8"))
    assert "endless" in "".join(saved["cells"][1]["outputs"][0]["data"]["text/html"])
    page.reload()
    page.cell_output(1).get_by_role("button", name="Cancel").click()
    page.cell_output(1).get_by_text("cancelled").first.wait_for()


def test_ends_are_notified_and_failures_stay(lab_server, fresh_page):
    lab_server.set("caikit-nb", "plugin", {"notifyAfterS": 0})
    page, cells = fresh_page, [LOAD, "%%caikit_job good\n1", "%%caikit_job bad\n1 / 0"]
    page.open(page.write_notebook("run.ipynb", cells))
    lab_server.set("caikit-nb", "plugin", {})
    page.execute("apputils:display-notifications")
    page.run_all()
    center = page.page.locator(".jp-Notification-Center")
    center.get_by_text("bad failed after").wait_for()
    center.get_by_text("good completed after").wait_for()
    assert "ZeroDivisionError" in center.inner_text()
    page.picture("notifications")
    center.get_by_role("button", name="Show log").first.click()
    page.page.locator(".jp-caikit-Log").wait_for()


def test_menu_and_palette_have_the_commands(notebook):
    page = notebook("1")
    page.page.get_by_role("menuitem", name="Run", exact=True).click()
    item = page.page.locator(".lm-Menu-item", has_text="Run as Job").first
    item.wait_for()
    assert "Alt" in item.inner_text()
    page.picture("run-menu")
    page.page.keyboard.press("Escape")
