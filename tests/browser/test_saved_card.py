"""A saved notebook's cards where the kernel that ran the jobs is gone, and where it isn't."""

import json

import pytest

from tests.browser.record import sessions
from tests.waiting import until

LOAD = "%load_ext caikit_nb"
TRAIN = """%%caikit_job train --wait
for epoch in range(5):
    print(f"epoch {epoch} is over")
    caikit_nb.log_metric(loss=1 / (epoch + 1))
6 * 7"""
GATED = """%%caikit_job gated
import pathlib, time
print("waits for the file")
while not pathlib.Path("go").exists():
    time.sleep(0.02)"""

ENDLESS = "%%caikit_job endless\nimport threading\nthreading.Event().wait()"

# What a person would ever see of the widgets' own way to fail.
BLUNDERS = ("Loading widget", "Error displaying widget", "model not found")


@pytest.fixture
def saved(lab_page):
    """A notebook that has run cells and was saved."""

    def run_and_save(*cells):
        lab_page.open(lab_page.write_notebook("saved.ipynb", [LOAD, *cells]))
        lab_page.run_all()
        lab_page.wait_idle()
        return lab_page

    return run_and_save


def test_without_its_kernel_the_saved_card_is_shown(saved):
    page = saved(TRAIN)
    page.cell_output(1).get_by_text("completed").wait_for()
    page.save()
    page.server.shut_down_kernels()
    page.reload()
    card = page.cell_output(1)
    card.get_by_text("epoch 4 is over").wait_for()
    assert "completed" in card.inner_text()
    assert card.locator("svg").count() >= 1, "the chart is there"
    assert not card.get_by_role("button", name="Cancel").count()
    assert not [words for words in BLUNDERS if words in card.inner_text()]
    page.picture("saved-card-without-kernel")


def test_with_its_kernel_the_live_card_comes_back(saved):
    page = saved(GATED)
    page.cell_output(1).get_by_label("output of the job").wait_for()
    page.save()
    page.reload()
    card = page.cell_output(1)
    card.get_by_role("button", name="Cancel").wait_for()
    (page.server.root / "go").touch()
    card.get_by_text("completed").wait_for()


def test_a_restart_leaves_the_saved_card_and_says_so(saved):
    page = saved(ENDLESS)
    card = page.cell_output(1)
    card.get_by_role("button", name="Cancel").wait_for()
    page.execute("kernelmenu:restart")
    dialog = page.page.locator(".jp-Dialog")
    dialog.get_by_text("All variables of saved.ipynb will be lost, and 1 job").wait_for()
    dialog.get_by_role("button", name="Confirm Kernel Restart").click()
    card.get_by_text("ended with the kernel").wait_for()
    assert not card.get_by_role("button", name="Cancel").is_visible()
    page.picture("saved-card-after-restart")
    page.wait_idle()


def test_shutting_down_says_how_many_jobs_end(saved):
    page = saved(ENDLESS)
    card = page.cell_output(1)
    card.get_by_role("button", name="Cancel").wait_for()
    dialog = page.page.locator(".jp-Dialog")
    page.execute("kernelmenu:shutdown")
    dialog.get_by_text("1 job that has not ended will end").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert "running" in card.inner_text()
    page.execute("kernelmenu:shutdown")
    dialog.get_by_role("button", name="Confirm Kernel Shut Down").click()
    card.get_by_text("ended with the kernel").wait_for()
    until(lambda: not sessions(page.server, "saved.ipynb"), "the session is gone")


def test_closing_and_shutting_down_says_so_too_and_only_then(saved):
    page = saved(ENDLESS)
    page.cell_output(1).get_by_role("button", name="Cancel").wait_for()
    page.execute("filemenu:close-and-cleanup")
    dialog = page.page.locator(".jp-Dialog")
    dialog.get_by_text("1 job that has not ended will end").wait_for()
    dialog.get_by_role("button", name="Confirm Kernel Shut Down").click()
    page.page.locator(".jp-NotebookPanel").wait_for(state="detached")
    page = saved("x = 1")
    page.execute("filemenu:close-and-cleanup")
    assert "Are you sure you want to close" in dialog.inner_text()


def test_the_bundle_has_the_forms_that_others_know(saved):
    page = saved(TRAIN)
    page.cell_output(1).get_by_text("completed").wait_for()
    page.save()
    notebook = json.loads((page.server.root / "saved.ipynb").read_text("utf-8"))
    (output,) = notebook["cells"][1]["outputs"]
    kinds = {
        "application/vnd.caikit-nb.card+json",
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    assert set(output["data"]) == kinds
    assert output["data"]["application/vnd.caikit-nb.card+json"]["version"] == 1
