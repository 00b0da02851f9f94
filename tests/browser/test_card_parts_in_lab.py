"""What can be done on a card in a real JupyterLab: its buttons, its chart, its log, its code."""

import re

import pytest

LOAD = "%load_ext caikit_nb\nimport pathlib, time"

MIXED = """%%caikit_job mixed --wait
%matplotlib inline
import matplotlib.pyplot as plt, pandas as pd
print("the rows that are missing:")
display(pd.DataFrame({"name": ["a", "b"], "missing": [3, 0]}))
for n in range(40):
    print(f"cleaned row {n}")
fig, ax = plt.subplots(figsize=(4, 1.6))
ax.plot([1, 3, 2])
plt.show()
print("done, and this is the end")
{"rows": 40}"""

MEASURED = """%%caikit_job measured --wait -p lr=0.1
import math
for step in caikit_nb.progress(range(60), desc="steps"):
    caikit_nb.log_metric(loss=math.exp(-step / 6), val_loss=math.exp(-step / 9) + 1e-3)"""

LOUD = """%%caikit_job loud --wait
for n in range(3000):
    print(f"\\x1b[3{n % 7}mrow {n}\\x1b[0m of many, and each of them says a little more")"""

AGAIN = """%%caikit_job unlucky --wait
import pathlib
print("factor", factor)
1 / factor"""


@pytest.fixture
def lab(lab_page):
    def open_cells(*cells):
        lab_page.open(lab_page.write_notebook("parts.ipynb", [LOAD, *cells]))
        lab_page.run_all()
        lab_page.wait_idle()
        return lab_page

    return open_cells


def test_text_and_rich_outputs_are_in_order(lab):
    page = lab(MIXED)
    card = page.cell_output(1)
    card.get_by_text("completed").wait_for()
    card.get_by_text("{'rows': 40}").wait_for()
    printed = card.get_by_label("output of the job")
    shown = [
        printed.filter(has_text="the rows that are missing"),
        card.locator("table"),
        printed.filter(has_text="cleaned row 39"),
        card.locator("img"),
        printed.filter(has_text="this is the end"),
        card.get_by_text("{'rows': 40}"),
    ]

    def are_in_order():
        heights = [part.bounding_box()["y"] for part in shown]
        return heights == sorted(heights)

    page.until(are_in_order, "the outputs in their order")
    page.picture("card-mixed")


def test_the_chart_has_a_log_scale_and_tells_values_under_the_pointer(lab):
    page = lab(MEASURED)
    card = page.cell_output(1)
    chart = card.get_by_role("img").first
    chart.wait_for()
    told = card.locator(".caikit-strip text", has_text="step 59")
    assert not told.is_visible()
    card.locator(".caikit-strip rect").last.hover(force=True)
    told.wait_for(state="visible")
    page.picture("chart-hover")
    linear = chart.inner_html()
    card.get_by_role("button", name="log scale").click()
    page.page.wait_for_function(
        "before => document.querySelector('.caikit-card svg').innerHTML !== before", arg=linear
    )
    assert {"0.01", "0.1", "1"} <= set(chart.locator("text").all_text_contents())
    page.picture("chart-log")


def test_the_full_log_opens_and_closes(lab):
    page = lab(LOUD)
    card = page.cell_output(1)
    card.get_by_text("row 2999").wait_for()
    assert card.get_by_text("row 1500 ").count() == 0
    card.get_by_role("button", name="Full log").click()
    card.get_by_text("row 1500 ").wait_for()
    page.picture("card-full-log")
    card.get_by_role("button", name="Close the log").click()
    card.get_by_text("row 1500 ").wait_for(state="detached")


def test_a_failed_job_runs_again_with_the_variables_of_now(lab):
    page = lab("factor = 0", AGAIN, "factor = 4", "unlucky.status.name")
    card = page.cell_output(2)
    card.get_by_text("ZeroDivisionError").first.wait_for()
    card.get_by_role("button", name="Run again").click()
    card.get_by_text("completed").wait_for()
    assert "factor 4" in card.inner_text()
    assert "0.25" in card.inner_text()
    page.run_cell(4)
    page.wait_idle()
    assert page.cell_output_text(4) == "'COMPLETED'"


def test_a_result_is_pinned_on_its_card(lab):
    page = lab("%%caikit_job kept --wait --retain 1h\n1")
    card = page.cell_output(1)
    card.get_by_text("kept for 59 min more").wait_for()
    card.get_by_role("button", name=re.compile(r"^\W*Pin")).click()
    card.get_by_text("pinned").wait_for()
    card.get_by_role("button", name="Unpin").click()
    card.get_by_text("kept for").wait_for()


def test_the_code_opens_by_key(lab):
    page = lab(AGAIN.replace("--wait", "--wait -p factor=1"))
    card = page.cell_output(1)
    card.get_by_text("completed").wait_for()
    assert not card.get_by_text("1 / factor").is_visible()
    card.locator("summary", has_text="Code").focus()
    page.page.keyboard.press("Enter")
    card.get_by_text("1 / factor").wait_for(state="visible")


def test_a_card_is_whole_where_there_is_little_room(lab):
    page = lab(MEASURED, MIXED)
    page.page.set_viewport_size({"width": 700, "height": 1400})
    for index in (1, 2):
        card = page.cell_output(index).locator(".caikit-card")
        card.scroll_into_view_if_needed()
        page.picture(f"card-narrow-{index}")
        widths = card.evaluate("card => [card.scrollWidth, card.clientWidth]")
        assert widths[0] <= widths[1], "nothing sticks out"


NESTED = """%%caikit_job nested
import pathlib, time
from tqdm.auto import tqdm
while not pathlib.Path("go").exists():
    time.sleep(0.05)
for epoch in tqdm(range(4), desc="epochs"):
    for batch in tqdm(range(30), desc="batches", leave=False):
        time.sleep(0.02)
    print(f"epoch {epoch} is over")
while not pathlib.Path("end").exists():
    time.sleep(0.05)"""

WATCH_HEIGHTS = """card => {
    window.testHeights = [];
    new ResizeObserver(() => window.testHeights.push(card.offsetHeight)).observe(card);
}"""


def test_a_card_never_shrinks_while_its_job_runs(lab_page):
    page = lab_page
    page.open(page.write_notebook("parts.ipynb", [LOAD, NESTED, "pathlib.Path('go').touch()"]))
    page.run_cell(0)
    page.run_cell(1)
    card = page.cell_output(1).locator(".caikit-card")
    card.evaluate(WATCH_HEIGHTS)
    page.run_cell(2)
    card.get_by_text("epoch 3 is over").wait_for()
    heights = page.page.evaluate("window.testHeights")
    assert card.get_by_text("running").count()
    assert len(heights) > 1
    assert heights == sorted(heights)
