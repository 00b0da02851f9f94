"""The panel of jobs, the Running sidebar, the status bar, and logs in a real JupyterLab."""

import re

import pytest

from tests.notebook.subshell import needs_subshells

LOAD = "%load_ext caikit_nb\n%config CaikitJobs.max_workers = 1"
TRAIN = """%%caikit_job train
import pathlib, time
for epoch in caikit_nb.progress(range(4), desc="epochs"):
    print(f"\\x1b[32mepoch {epoch}\\x1b[0m is over")
    while epoch == 2 and not pathlib.Path("go").exists():
        time.sleep(0.02)"""
WAITS = "%%caikit_job second\n1"
ENDLESS = "%%caikit_job endless\nimport threading\nthreading.Event().wait()"
BUSY = "import threading\nprint('busy')\nthreading.Event().wait()"
REPLACE_SOURCE = """([index, source]) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.widgets[index].model.sharedModel.setSource(source);
}"""
CHANGE_KERNEL = """async () => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget;
    const before = sessionContext.session.kernel.id;
    await sessionContext.changeKernel({ name: 'python3' });
    return sessionContext.session.kernel.id !== before;
}"""
CONSOLE = """async () => {
    const { commands, shell } = window.jupyterapp;
    const { id } = shell.currentWidget.sessionContext.session.kernel;
    const console = await commands.execute('console:create', { kernelPreference: { id } });
    await console.sessionContext.ready;
    shell.activateById(console.id);
}"""
# JupyterLab makes no sidebar narrower.
NARROWEST = 250
PANEL = "caikit-nb:show-jobs"


@pytest.fixture
def lab(lab_page):
    """A JupyterLab in which cells have run, with the panel open."""

    def open_cells(*cells):
        lab_page.open(lab_page.write_notebook("panel.ipynb", [LOAD, *cells]))
        lab_page.run_all()
        lab_page.wait_idle()
        lab_page.execute(PANEL)
        lab_page.panel.wait_for()
        return lab_page

    return open_cells


def test_panel_shows_state_bar_and_place_in_the_queue(lab):
    page = lab(TRAIN, WAITS)
    train, second = page.job("train"), page.job("second")
    train.get_by_text("50 %").wait_for()
    assert "running" in train.inner_text()
    assert re.search(r"\d+ s", train.inner_text())
    assert "queued, number 1" in second.inner_text()
    assert page.panel.get_by_role("heading", name="panel.ipynb").is_visible()
    page.pictures("panel")
    (page.server.root / "go").touch()
    page.job("second").get_by_text("completed").wait_for()
    page.job("train").get_by_text("completed").wait_for()


def test_jobs_can_be_cancelled_from_the_panel(lab):
    page = lab(ENDLESS)
    page.panel.get_by_role("button", name="Cancel endless").click()
    page.job("endless").get_by_text("cancelled", exact=True).wait_for()
    assert page.panel.get_by_role("button", name="Cancel endless").count() == 0


def test_jobs_can_be_interrupted_from_the_panel(lab):
    page = lab(ENDLESS)
    page.panel.get_by_role("button", name="Interrupt endless").click()
    page.job("endless").get_by_text("failed").wait_for()
    assert "KeyboardInterrupt" in page.job("endless").inner_text()


def test_name_leads_to_the_cell(lab):
    page = lab(ENDLESS, *["'filler ' * 10_000"] * 6)
    page.run_cell(5)
    page.wait_idle()
    page.panel.get_by_role("button", name="endless", exact=True).click()
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex === 1"
    )


def test_log_tab_follows_the_job(lab):
    page = lab(TRAIN)
    page.panel.get_by_role("button", name="Show the log of train").click()
    log = page.page.get_by_role("log", name="Output of job train")
    log.get_by_text("epoch 2 is over").wait_for()
    assert "\x1b" not in log.inner_text()
    page.picture("log-tab")
    (page.server.root / "go").touch()
    log.get_by_text("epoch 3 is over").wait_for()
    page.page.locator(".jp-caikit-Log-head", has_text="completed").wait_for()


def test_running_sidebar_lists_and_cancels_them(lab):
    page = lab(ENDLESS)
    page.execute("running:show-panel")
    item = page.page.locator(".jp-RunningSessions-item", has_text="endless")
    item.wait_for()
    assert "running" in item.inner_text()
    page.picture("running-sidebar")
    item.hover()
    item.get_by_title("Cancel").click()
    item.wait_for(state="detached")


def test_status_bar_counts_them_and_opens_the_panel(lab):
    page = lab(ENDLESS, WAITS)
    page.execute("running:show-panel")
    page.panel.wait_for(state="hidden")
    page.page.get_by_role("button", name="1 job running, 1 queued").click()
    page.panel.wait_for()


def test_jobs_come_back_after_a_reload(lab):
    page = lab(ENDLESS)
    page.job("endless").wait_for()
    page.reload()
    page.execute(PANEL)
    page.panel.get_by_role("button", name="Cancel endless").click()
    page.job("endless").get_by_text("cancelled", exact=True).wait_for()


@needs_subshells
def test_jobs_are_seen_and_cancelled_while_a_cell_runs(lab):
    page = lab(ENDLESS, "1")
    page.job("endless").wait_for()
    page.page.evaluate(REPLACE_SOURCE, [2, BUSY])
    page.run_cell(2)
    page.cell_output(2).get_by_text("busy").wait_for()
    page.panel.get_by_role("button", name="Cancel endless").click()
    page.job("endless").get_by_text("cancelled", exact=True).wait_for()
    page.interrupt()
    page.wait_idle()


def test_a_reload_while_a_cell_runs_shows_the_truth(lab):
    page = lab(TRAIN, "1")
    page.job("train").get_by_text("50 %").wait_for()
    page.page.evaluate(REPLACE_SOURCE, [2, BUSY])
    page.run_cell(2)
    page.cell_output(2).get_by_text("busy").wait_for()
    page.reload(wait_idle=False)
    page.execute(PANEL)
    page.job("train").get_by_text("50 %").wait_for()
    page.panel.get_by_text("The kernel is busy").wait_for()
    page.panel.get_by_role("button", name="Show the log of train").click()
    log = page.page.get_by_role("log", name="Output of job train")
    log.get_by_text("epoch 2 is over").wait_for()
    page.picture("panel-while-busy")
    (page.server.root / "go").touch()
    page.job("train").get_by_text("completed").wait_for()
    log.get_by_text("epoch 3 is over").wait_for()


def test_a_kernel_without_the_extension_can_load_it(lab_page):
    lab_page.open(lab_page.write_notebook("bare.ipynb", ["1"]))
    lab_page.execute(PANEL)
    lab_page.panel.get_by_role("button", name="Load").click()
    lab_page.panel.get_by_text("not loaded").wait_for(state="detached")


def test_restart_clears_the_panel(lab):
    page = lab(ENDLESS)
    page.job("endless").wait_for()
    page.execute("kernelmenu:restart")
    page.page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
    page.job("endless").wait_for(state="detached")
    page.panel.get_by_role("button", name="Load").click()
    page.panel.get_by_role("button", name="Load").wait_for(state="detached")
    page.run_cell(1)
    page.job("endless").get_by_text("running").wait_for()


def test_another_kernel_is_another_one_s_jobs(lab):
    page = lab(ENDLESS)
    page.job("endless").wait_for()
    assert page.page.evaluate(CHANGE_KERNEL)
    page.job("endless").wait_for(state="detached")
    page.cell_output(1).get_by_text("ended with the kernel").wait_for()
    page.panel.get_by_role("button", name="Load").wait_for()
    page.run_cell(0)
    page.wait_idle()
    page.run_cell(1)
    page.job("endless").get_by_text("running").wait_for()
    page.panel.get_by_role("button", name="Cancel endless").click()
    page.job("endless").get_by_text("cancelled", exact=True).wait_for()
    page.cell_output(1).get_by_text("cancelled").first.wait_for()


def test_a_kernel_of_another_version_is_told_of(lab_page):
    newer = "from caikit_nb.notebook import lab_comm\nlab_comm.VERSION = 2\n"
    lab_page.open(lab_page.write_notebook("newer.ipynb", [newer + LOAD, ENDLESS]))
    lab_page.execute(PANEL)
    lab_page.run_all()
    lab_page.panel.get_by_text("another version").wait_for()
    lab_page.cell_output(1).get_by_role("button", name="Cancel").wait_for()


def test_panel_is_whole_in_a_narrow_sidebar(lab):
    page = lab(TRAIN, WAITS, "%%caikit_job a_rather_long_name_of_a_job\n1 / 0")
    page.job("train").get_by_text("50 %").wait_for()
    assert page.panel.bounding_box()["width"] <= NARROWEST
    right = page.panel.bounding_box()["x"] + page.panel.bounding_box()["width"]
    buttons = page.panel.get_by_role("button").all()
    assert len(buttons) >= 9
    for button in buttons:
        box = button.bounding_box()
        assert box["x"] + box["width"] <= right
    page.picture("panel-narrow")


def test_jobs_of_a_closed_notebook_stay_and_a_click_opens_it(lab):
    page = lab(TRAIN)
    page.job("train").get_by_text("50 %").wait_for()
    page.save()
    page.execute("application:close")
    page.panel.get_by_text("Notebook closed").wait_for()
    train = page.job("train")
    train.get_by_text("running").wait_for()
    page.page.locator(".jp-caikit-status").get_by_text("1 job running").wait_for()
    assert page.page.locator(".jp-NotebookPanel").count() == 0
    (page.server.root / "go").touch()
    train.get_by_text("completed").wait_for()
    train.get_by_role("button", name="train", exact=True).click()
    page.cell_output(1).get_by_text("completed").wait_for()
    page.panel.get_by_text("Notebook closed").wait_for(state="detached")


def test_who_restarts_a_kernel_is_told_how_many_jobs_end_with_it(lab):
    page = lab(ENDLESS, WAITS)
    page.job("endless").get_by_text("running").wait_for()
    page.job("second").get_by_text("queued").wait_for()
    dialog = page.page.locator(".jp-Dialog")
    for button in ("Cancel", "Confirm Kernel Restart"):
        page.execute("kernelmenu:restart")
        dialog.get_by_text("2 jobs that have not ended will end with its kernel").wait_for()
        dialog.get_by_role("button", name=button, exact=True).click()
        dialog.wait_for(state="detached")
        if button == "Cancel":
            assert "running" in page.job("endless").inner_text()
    page.cell_output(1).get_by_text("ended with the kernel").wait_for()
    page.cell_output(2).get_by_text("ended with the kernel").wait_for()
    page.wait_idle()  # the server refuses to end a session that it is just restarting


def test_every_way_to_end_a_kernel_says_how_many_jobs_end_with_it(lab):
    page = lab(ENDLESS)
    page.job("endless").get_by_text("running").wait_for()
    dialog = page.page.locator(".jp-Dialog")

    def says(command, answer="Cancel"):
        page.execute(command)
        dialog.get_by_text("1 job that has not ended will end with its kernel").wait_for()
        dialog.get_by_role("button", name=answer, exact=True).click()
        dialog.wait_for(state="detached")

    says("kernelmenu:change")
    page.page.evaluate(CONSOLE)
    for command in ("kernelmenu:restart", "kernelmenu:shutdown"):
        says(command)
    assert "running" in page.job("endless").inner_text()
    says("filemenu:close-and-cleanup", "Confirm Kernel Shut Down")
    page.page.locator(".jp-ConsolePanel").wait_for(state="detached")
    page.cell_output(1).get_by_text("ended with the kernel").wait_for()
