"""The live table in a real JupyterLab, as a user sees and works it."""

import re

import pytest

LOAD = """%load_ext caikit_nb
%config CaikitJobs.max_workers = 3
import pathlib, time

def held(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.02)

def quick(number):
    return number

def submit(name, function, *arguments):
    caikit_nb.options(name=name, start_method="thread", retain="1h").submit(function, *arguments)"""

# Jobs in all states; three run until the file "table-go" is there.
ALL_STATES = """%%capture
def steps(count, stop):
    for n in caikit_nb.progress(range(count), desc="steps"):
        if n == stop:
            held("table-go")

def share(total, parts):
    return total / parts

def stopped():
    for n in caikit_nb.progress(range(10)):
        if n == 4:
            held("never")

for number in range(17):
    submit(f"prepare_{number}", quick, number)
for number in range(3):
    submit(f"divide_{number}", share, 10, 0)
submit("measured", steps, 10, 99)
submit("stopped", stopped)
while not caikit_nb.jobs["stopped"].progress or caikit_nb.jobs["stopped"].progress[0].n < 4:
    time.sleep(0.02)
caikit_nb.jobs["stopped"].cancel()
%caikit_jobs wait
submit("train", steps, 40, 30)
submit("a_job_with_a_rather_long_name_of_its_own", steps, 40, 4)
submit("slow_start", held, "table-go")
for number in range(4):
    submit(f"evaluate_{number}", quick, number)"""


@pytest.fixture
def lab(lab_page):
    (lab_page.server.root / "table-go").unlink(missing_ok=True)

    def open_cells(*cells):
        lab_page.open(lab_page.write_notebook("table.ipynb", [LOAD, *cells]))
        lab_page.run_all()
        lab_page.wait_idle()
        return lab_page

    return open_cells


def names(table):
    """The jobs on the page, in their order."""
    return table.locator(".caikit-jobs-name").all_inner_texts()


def wait_for_names(page, table, expected):
    """Wait until the page has exactly these jobs, in this order."""
    page.until(lambda: names(table) == expected, f"the jobs {expected}")


FINISHED = """%%capture
for number in range(60):
    submit(f"run_{number}", quick, number)
%caikit_jobs wait"""


def runs(*numbers):
    return [f"run_{number}" for number in numbers]


def is_beside(button, row):
    """Whether a job's button is in its row, and beside its words; False if one isn't shown."""
    if button is None or row is None:
        return False
    is_in_row = row["y"] <= button["y"] <= row["y"] + row["height"] - button["height"]
    return is_in_row and row["x"] + row["width"] <= button["x"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_states_bars_and_buttons_are_there_in_wide_and_narrow_places(lab, theme):
    page = lab(ALL_STATES, "%caikit_jobs")
    page.set_theme(theme)
    table = page.cell_output(2)
    table.get_by_role("progressbar", name="train").wait_for()
    for width, height, name in ((1280, 900, "wide"), (780, 1300, "narrow")):
        page.page.set_viewport_size({"width": width, "height": height})
        page.cell_output(2)
        row = table.get_by_role("row", name="train")
        button = table.get_by_role("button", name="Cancel train")
        button.scroll_into_view_if_needed()
        page.until(
            lambda row=row, button=button: is_beside(button.bounding_box(), row.bounding_box()),
            "the buttons of a job beside it",
        )
        page.picture(f"table-{name}-{theme}")
    page.set_theme("light")


def test_a_click_on_a_heading_sorts_and_a_third_one_gives_the_usual_order(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    table = page.cell_output(2)
    usual = ["slow_start", "a_job_with_a_rather_long_name_of_its_own", "train", "evaluate_0"]
    table.get_by_text("75 %").wait_for()
    assert names(table)[:4] == usual
    heading = table.get_by_role("button", name=re.compile("^job"))
    heading.click()
    table.get_by_role("button", name="job ▲").wait_for()
    assert names(table)[:3] == [usual[1], "divide_0", "divide_1"]
    assert table.locator("[aria-sort=ascending]").count() == 1
    heading.press("Enter")  # as a keyboard reaches it, too
    table.get_by_role("button", name="job ▼").wait_for()
    assert names(table)[:2] == ["train", "stopped"]
    heading.click()
    table.get_by_role("button", name="job", exact=True).wait_for()
    assert names(table)[:4] == usual


def test_jobs_can_be_filtered_by_state_and_by_name(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    table = page.cell_output(2)
    table.get_by_role("button", name="failed 3").click()
    wait_for_names(page, table, ["divide_2", "divide_1", "divide_0"])
    name = table.get_by_placeholder("filter by name")
    name.press_sequentially("IDE_1")
    wait_for_names(page, table, ["divide_1"])
    table.get_by_role("button", name="queued 4").click()
    table.get_by_text("No job matches.").wait_for()
    name.fill("")
    wait_for_names(page, table, [f"evaluate_{number}" for number in range(4)])


def test_pages_go_through_many_jobs(lab):
    page = lab(FINISHED, "%caikit_jobs")
    table = page.cell_output(2)
    table.get_by_text("1–20 of 60").wait_for()
    assert names(table) == runs(*range(59, 39, -1))
    assert table.get_by_role("button", name="Previous page").is_disabled()
    table.get_by_role("button", name="Next page").click()
    table.get_by_text("21–40 of 60").wait_for()
    wait_for_names(page, table, runs(*range(39, 19, -1)))
    table.get_by_role("button", name="Next page").click()
    wait_for_names(page, table, runs(*range(19, -1, -1)))
    assert table.get_by_role("button", name="Next page").is_disabled()
    assert table.get_by_role("button", name="Show run_").count() == 20


def test_a_job_is_cancelled_by_its_button_and_its_end_is_announced(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    table = page.cell_output(2)
    table.get_by_role("button", name="Cancel evaluate_2").click()
    table.get_by_role("status").get_by_text("evaluate_2").wait_for()
    assert table.get_by_role("status").inner_text() == "⊘ evaluate_2 cancelled"
    assert table.get_by_role("button", name="cancelled 2").is_visible()
    assert not table.get_by_role("button", name="Cancel evaluate_2").is_visible()
    waiting = [f"evaluate_{number}" for number in range(4)]
    assert names(table)[3:7] == waiting, "no other job moves under the mouse so soon"
    rest = [name for name in names(table) if name != "evaluate_2"]
    wait_for_names(page, table, [*rest[:6], "evaluate_2", *rest[6:]])
    table.get_by_role("status").scroll_into_view_if_needed()
    page.picture("table-announcement")


def test_a_jobs_card_is_shown_below_the_table_and_hidden_again(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    table = page.cell_output(2)
    table.get_by_role("button", name="Show train").click()
    card = table.locator(".caikit-jobs-slot")
    card.get_by_text("30/40").wait_for()
    page.picture("table-card")
    (page.server.root / "table-go").touch()
    card.get_by_text("40/40").wait_for()
    card.get_by_text("completed").wait_for()
    table.get_by_role("button", name="Hide train").click()
    card.get_by_text("40/40").wait_for(state="detached")


def test_a_reload_keeps_the_table_live(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    page.cell_output(2).get_by_text("75 %").wait_for()
    page.save()
    page.reload()
    table = page.cell_output(2)
    table.get_by_role("button", name="Cancel train").wait_for()
    table.get_by_text("75 %").wait_for()
    (page.server.root / "table-go").touch()
    table.get_by_role("button", name="completed 25").wait_for()
    table.get_by_role("button", name="failed 3").click()
    wait_for_names(page, table, ["divide_2", "divide_1", "divide_0"])


def test_who_types_while_the_last_job_ends_can_go_on(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    table = page.cell_output(2)
    name = table.get_by_placeholder("filter by name")
    name.press_sequentially("eval")
    (page.server.root / "table-go").touch()
    for letter in "uate_1":
        page.page.wait_for_timeout(400)
        page.page.keyboard.type(letter)
    wait_for_names(page, table, ["evaluate_1"])


def test_a_saved_notebook_keeps_the_last_state_of_the_table(lab):
    page = lab(ALL_STATES, "%caikit_jobs")
    (page.server.root / "table-go").touch()
    page.cell_output(2).get_by_role("button", name="completed 25").wait_for()
    for _ in range(100):
        page.save()
        saved = (page.server.root / "table.ipynb").read_text("utf-8")
        if saved.count("running") == ALL_STATES.count("running"):
            break
        page.page.wait_for_timeout(100)
    assert "<table>" in saved
    assert saved.count("running") == ALL_STATES.count("running")
    page.server.shut_down_kernels()
    page.reload()
    table = page.cell_output(2)
    table.get_by_role("cell", name="divide_0").wait_for()
    assert "widget" not in table.inner_text()
    page.picture("table-without-kernel")
