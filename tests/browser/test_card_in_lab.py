"""The job's card in a real JupyterLab, as a user sees it."""

import json

import pytest

LOAD = "%load_ext caikit_nb\nimport time, threading"

# Trains for as long as the test wants: each epoch waits for the test's own file.
TRAIN = """%%caikit_job train -o history -p lr=0.1
import math, pathlib, time
history = []
for epoch in caikit_nb.progress(range(20), desc="epochs"):
    for batch in caikit_nb.progress(range(50), desc="batches"):
        pass
    loss, accuracy = math.exp(-epoch / 6) + 0.02 * (epoch % 3), 1 - math.exp(-epoch / 4)
    caikit_nb.log_metric(loss=loss, accuracy=accuracy)
    print(f"epoch {epoch + 1}: loss {loss:.3f}, accuracy {accuracy:.3f}")
    history.append(loss)
    while epoch == 11 and not pathlib.Path("go").exists():
        time.sleep(0.02)
history[-1]"""

FAIL = """%%caikit_job broken
def scaled(values, by):
    return [value / by for value in values]

print("about to divide")
scaled([1, 2, 3], 0)"""

FIGURE = """%%caikit_job figure --wait
%matplotlib inline
import matplotlib.pyplot as plt
import pandas as pd
display(pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.25]}))
plt.figure(figsize=(4, 2))
plt.plot([1, 3, 2]);"""

ENDLESS = "%%caikit_job endless\nthreading.Event().wait()"


@pytest.fixture
def lab(lab_page):
    def open_cells(*cells):
        lab_page.open(lab_page.write_notebook("jobs.ipynb", [LOAD, *cells]))
        lab_page.run_all()
        lab_page.wait_idle()
        return lab_page

    return open_cells


def test_card_follows_a_job_to_its_end(lab):
    page = lab(TRAIN, "1 + 1")
    card = page.cell_output(1)
    card.get_by_text("11/20").wait_for()
    assert page.cell_output_text(2) == "2", "the notebook is free while the job runs"
    assert "running" in card.inner_text()
    assert card.get_by_role("button", name="Cancel").is_visible()
    card.get_by_role("img").wait_for()  # the metrics are drawn
    assert "epoch 12:" in card.inner_text()
    page.pictures("card-running")
    (page.server.root / "go").touch()
    card.get_by_text("completed").wait_for()
    card.get_by_text("history is in the namespace").wait_for()
    assert not card.get_by_role("button", name="Cancel").is_visible()
    page.picture("card-completed")


def test_saved_notebook_shows_the_last_state(lab):
    page = lab("%%caikit_job quick --wait\nprint('said')\n6 * 7")
    page.cell_output(1).get_by_text("completed").wait_for()
    page.save()
    saved = json.loads((page.server.root / "jobs.ipynb").read_text("utf-8"))
    (output,) = saved["cells"][1]["outputs"]
    html = "".join(output["data"]["text/html"])
    assert "completed" in html
    assert "said" in html
    assert "42" in html


def test_failed_job_shows_its_error_and_traceback(lab):
    page = lab(FAIL)
    card = page.cell_output(1)
    card.get_by_text("ZeroDivisionError: division by zero").first.wait_for()
    card.locator("summary", has_text="Traceback").click()
    card.get_by_text("value / by").first.wait_for()
    page.picture("card-failed")


def test_figures_and_tables_are_on_the_card(lab):
    page = lab(FIGURE)
    card = page.cell_output(1)
    card.locator("img").wait_for()
    card.locator("table").wait_for()
    page.picture("card-figure")


def test_cancel_button_ends_the_job(lab):
    page = lab(ENDLESS)
    card = page.cell_output(1)
    card.get_by_role("button", name="Cancel").click()
    card.get_by_text("cancelled").first.wait_for()
    page.picture("card-cancelled")
