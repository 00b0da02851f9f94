"""The file says what became of each job, whatever became of page and kernel."""

import json
import shutil
import urllib.request

import pytest

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.browser import record
from tests.browser.lab import CURRENT
from tests.converted import converted
from tests.waiting import until

LOAD = "%load_ext caikit_nb\nimport pathlib, time"
WAITING = """%%caikit_job slow
for n in caikit_nb.progress(range(20), desc="rounds"):
    caikit_nb.log_metric(loss=1 / (n + 1))
    print("round", n)
    while n == 9 and not pathlib.Path("go").exists():
        time.sleep(0.02)
'the value'"""
LASTING = """%%caikit_job lasting
import threading
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print("round", 33 * 3)
threading.Event().wait()"""
LOOP = """%config CaikitJobs.max_workers = 3
def work():
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
futures = [caikit_nb.submit(work) for n in range(3)]"""
QUICK = "%%caikit_job quick\nprint('quick words')"
NAME = "record.ipynb"
OTHER = "other.ipynb"

# More than what comes after a saving is put off.
IS_DUE = "due => performance.now() > due"
RESTART = f"() => {CURRENT}.sessionContext.restartKernel()"
SAVES_BESIDE = f"""async () => {{
    const {{context}} = {CURRENT};
    const states = [];
    const note = (_, state) => {{ states.push(state); }};
    context.saveState.connect(note);
    void context.save();
    await new Promise(resolve => setTimeout(resolve));
    context.saveState.disconnect(note);
    return states.includes('started');
}}"""


@pytest.fixture
def lab(lab_page):
    def open_cells(*cells, run=None):
        (lab_page.server.root / "go").unlink(missing_ok=True)
        lab_page.open(lab_page.write_notebook(NAME, [LOAD, *cells]))
        for index in range(run if run is not None else len(cells) + 1):
            lab_page.run_cell(index)
            lab_page.wait_idle()
        return lab_page

    return open_cells


def let_go(page) -> None:
    (page.server.root / "go").touch()


def kept(page, cell: int) -> str:
    """What the file has of a cell's card, as text."""
    return record.kept(page, NAME, cell)


def wait_kept(page, cell: int, *words: str) -> str:
    """The same, once the words are there; and nbconvert shows them."""
    found = [""]

    def has_words() -> bool:
        found[0] = kept(page, cell)
        return all(word in found[0] for word in words)

    until(has_words, f"{words} in the file")
    shown = converted(record.read(page, NAME))
    assert all(word in shown for word in words)
    return found[0]


def saved(page, cell: int, word: str) -> bool:
    """Whether what a user saves now has it."""
    page.execute("docmanager:save")
    return word in kept(page, cell)


def wait_round(page) -> None:
    page.cell_output(1).get_by_text("9/20").wait_for()


def hold_savings(page, count: int) -> list:
    """The next ones that come to the server, each held until it is told to continue."""
    held = []

    def hold(route) -> None:
        if route.request.method == "PUT" and len(held) < count:
            held.append(route)
        else:
            route.continue_()

    page.page.route(f"**/api/contents/{NAME}?*", hold)
    return held


def is_true(text: str) -> bool:
    """A card of a completed job, with all that it has put out."""
    return "completed" in text and "round 19" in text and "the value" in text


def key_of(page) -> str:
    """By which the job's card is known."""
    (output,) = record.outputs(page, NAME, 1)
    return output["data"][KEPT_VIEW]["key"]


def tells(page, key: str) -> bool:
    """Whether the server has the last state of a card."""
    request = urllib.request.Request(
        f"{page.server.url}/caikit-nb/views/{key}",
        headers={"Authorization": f"token {page.server.token}"},
    )
    with urllib.request.urlopen(request, timeout=180) as answer:
        return json.loads(answer.read())["type"] == "view"


@pytest.mark.parametrize("times", [1, 2])
def test_the_end_after_a_reload_is_in_the_file(lab, times):
    page = lab(WAITING)
    wait_round(page)
    until(lambda: kept(page, 1), "the submission in the file")
    for _ in range(times):
        page.reload()
        wait_round(page)
    let_go(page)
    text = wait_kept(page, 1, "completed")
    assert is_true(text)
    assert "running" not in text


def test_the_end_while_the_notebook_is_closed_is_in_the_file_once_it_is_open(lab):
    page = lab(WAITING)
    wait_round(page)
    until(lambda: kept(page, 1), "the submission in the file")
    page.page.goto("about:blank")
    let_go(page)
    page.open(NAME)
    assert is_true(wait_kept(page, 1, "completed"))


def test_it_is_known_also_if_the_kernel_has_ended_meanwhile(lab):
    page = lab(WAITING)
    wait_round(page)
    until(lambda: kept(page, 1), "the submission in the file")
    kernel, key = record.kernel_id(page.server, NAME), key_of(page)
    page.page.goto("about:blank")
    let_go(page)
    until(lambda: tells(page, key), "the end of the job")
    page.server.api(f"kernels/{kernel}", method="DELETE")
    page.open(NAME)
    assert is_true(wait_kept(page, 1, "completed"))


@pytest.mark.parametrize("is_open", [True, False])
def test_a_job_that_ended_with_its_kernel_says_so(lab, is_open):
    page = lab(WAITING)
    wait_round(page)
    until(lambda: saved(page, 1, "round 9"), "what is shown in the file")
    kernel = record.kernel_id(page.server, NAME)
    if not is_open:
        page.page.goto("about:blank")
    page.server.api(f"kernels/{kernel}/restart", method="POST")
    if not is_open:
        page.open(NAME)
    text = wait_kept(page, 1, "ended with the kernel")
    assert "running" not in text
    page.cell_output(1).get_by_text("ended with the kernel").wait_for()
    assert "round 9" in text


@pytest.mark.parametrize("is_reloaded", [True, False])
def test_a_job_run_again_is_in_the_file(lab, is_reloaded):
    page = lab(LASTING.replace("threading.Event().wait()", "'the value'"))
    let_go(page)
    wait_kept(page, 1, "completed", "round 99")
    if is_reloaded:
        page.reload()
    (page.server.root / "go").unlink()
    page.cell_output(1).get_by_role("button", name="Run again").click()
    until(lambda: "completed" not in kept(page, 1), "the second job in the file")
    let_go(page)
    wait_kept(page, 1, "completed", "round 99")


def test_each_card_of_run_all_is_in_the_file(lab):
    page = lab(WAITING, QUICK, "x = 1", run=0)
    page.execute("notebook:run-all-cells")
    wait_kept(page, 2, "completed", "quick words")
    let_go(page)
    assert is_true(wait_kept(page, 1, "completed"))


def test_what_goes_on_is_saved_again_now_and_then(fresh_page):
    page = fresh_page
    page.page.clock.install()
    page.open(page.write_notebook(NAME, [LOAD, LASTING]))
    page.run_all()
    until(lambda: kept(page, 1), "the submission in the file")
    let_go(page)
    page.cell_output(1).get_by_text("round 99").wait_for()
    assert "round 99" not in kept(page, 1)
    page.page.clock.fast_forward("03:00")
    wait_kept(page, 1, "running at", "round 99")


def test_the_table_tells_the_end_after_a_reload(lab):
    page = lab(WAITING, "%caikit_jobs")
    wait_round(page)
    until(lambda: kept(page, 2), "the table in the file")
    page.reload()
    wait_round(page)
    let_go(page)
    text = wait_kept(page, 2, "completed")
    assert "running" not in text


def test_a_loop_of_submits_has_its_end_in_the_file_after_a_reload(lab):
    page = lab(LOOP)
    page.cell_output(1).get_by_text("3 jobs: 3 running").wait_for()
    until(lambda: "3 jobs:" in kept(page, 1), "the submission in the file")
    page.reload()
    page.cell_output(1).get_by_text("3 jobs: 3 running").wait_for()
    let_go(page)
    text = wait_kept(page, 1, "3 jobs: 3 completed")
    assert "running" not in text
    page.cell_output(1).get_by_role("button", name="Jobs").click()
    page.cell_output(1).locator(".caikit-jobs-row").nth(2).wait_for()


def test_of_two_windows_one_writes_and_none_is_asked(lab, new_page):
    page = lab(WAITING)
    wait_round(page)
    until(lambda: kept(page, 1), "the submission in the file")
    other = new_page()
    try:
        other.open(NAME)
        wait_round(other)
        let_go(page)
        assert is_true(wait_kept(page, 1, "completed"))
        for window in (page, other):
            window.cell_output(1).get_by_text("completed").wait_for()
            assert window.page.locator(".jp-Dialog").count() == 0
    finally:
        other.page.close()


def test_a_window_that_does_not_write_shows_what_was_seen_last(lab, new_page):
    page = lab(LASTING)
    until(lambda: kept(page, 1), "the submission in the file")
    other = new_page()
    try:
        other.open(NAME)
        other.cell_output(1).get_by_role("button", name="Cancel").wait_for()
        let_go(page)
        for window in (page, other):
            window.cell_output(1).get_by_text("round 99").wait_for()
        kernel = record.kernel_id(page.server, NAME)
        page.server.api(f"kernels/{kernel}/restart", method="POST")
        for window in (page, other):
            window.cell_output(1).get_by_text("ended with the kernel").wait_for()
            assert "round 99" in window.cell_output(1).inner_text()
        wait_kept(page, 1, "ended with the kernel", "round 99")
        assert not other.page.evaluate(f"{CURRENT}.context.model.dirty")
        assert other.page.locator(".jp-Dialog").count() == 0
    finally:
        other.page.close()


def is_asked(response) -> bool:
    """Whether it is the server's word on a view."""
    return "/caikit-nb/views/" in response.url


def test_a_copy_waits_for_the_end_of_all_that_it_shows(lab, new_page):
    page = lab(LOOP, "%caikit_jobs")
    for cell in (1, 2):
        until(lambda cell=cell: "running" in kept(page, cell), "the start in the file")
    shutil.copy(page.server.root / NAME, page.server.root / OTHER)
    copy = new_page()
    try:
        copy.page.clock.install()
        with copy.page.expect_response(is_asked) as asked:
            copy.open(OTHER)
        assert json.loads(asked.value.text())["type"] == "lives"
        let_go(page)
        for cell in (1, 2):
            wait_kept(page, cell, "completed")
        copy.page.clock.fast_forward("00:30")
        for cell in (1, 2):
            until(lambda cell=cell: "completed" in record.kept(copy, OTHER, cell), "the end")
    finally:
        copy.page.close()


def test_a_cell_that_is_pasted_elsewhere_has_its_end_there(lab):
    page = lab(LOOP)
    page.cell_output(1).get_by_text("3 jobs: 3 running").wait_for()
    page.execute("notebook:copy-cell")
    page.open(page.write_notebook(OTHER, ["1"]))
    with page.page.expect_response(is_asked) as asked:
        page.execute("notebook:paste-cell-below")
    assert json.loads(asked.value.text())["type"] == "lives"
    let_go(page)
    page.cell_output(1).get_by_text("3 jobs: 3 completed").wait_for()
    until(lambda: "3 completed" in record.kept(page, OTHER, 1), "the end in the file")


def test_what_is_cut_while_it_runs_and_pasted_without_its_kernel_says_so(lab):
    page = lab(LASTING, "2")
    page.cell_output(1).get_by_role("button", name="Cancel").wait_for()
    page.execute("notebook:cut-cell")
    page.page.evaluate(RESTART)
    page.cell_output(0)
    page.execute("notebook:paste-cell-below")
    page.cell_output(1).get_by_text("ended with the kernel").wait_for()
    assert page.cell_output(1).get_by_role("button", name="Cancel").count() == 0
    assert "running" not in wait_kept(page, 1, "ended with the kernel")


def test_a_checkpoint_of_before_the_end_is_brought_up_to_date(lab):
    page = lab(WAITING)
    wait_round(page)
    with page.page.expect_response(lambda response: "/checkpoints" in response.url):
        page.execute("docmanager:save")
    let_go(page)
    wait_kept(page, 1, "completed")
    page.execute("docmanager:restore-checkpoint")
    with page.page.expect_response(lambda response: "/checkpoints/" in response.url):
        page.page.locator(".jp-Dialog .jp-mod-warn").click()
    assert is_true(wait_kept(page, 1, "completed"))


def test_a_saving_by_hand_waits_for_ours_also_if_one_has_waited_for_another(lab):
    page = lab(QUICK, QUICK, run=1)
    held = hold_savings(page, 2)
    page.run_cell(1)
    page.until(lambda: len(held) == 1, "the first saving")
    page.run_cell(2)
    page.cell_output(2).get_by_text("completed").wait_for()
    due = page.page.evaluate("performance.now()") + 1000
    page.page.wait_for_function(IS_DUE, arg=due)
    held[0].continue_()
    page.until(lambda: len(held) == 2, "the second one")
    is_beside = page.page.evaluate(SAVES_BESIDE)
    held[1].continue_()
    page.wait_idle()
    page.page.unroute_all()
    assert not is_beside
    assert page.page.locator(".jp-Dialog").count() == 0
