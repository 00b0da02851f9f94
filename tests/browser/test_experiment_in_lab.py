"""An experiment's view in a real JupyterLab."""

import os
import signal

import pytest

from tests.browser import record
from tests.waiting import until

LOAD = "%load_ext caikit_nb\nfrom caikit_nb.experiments import *\nimport math, pathlib, time"

RUN = """space = {
    "lr": distributions.LogUniform(1e-4, 1), "depth": distributions.Choice([2, 4, 8]),
    "momentum": distributions.Uniform(0, 1), "optimizer": distributions.Choice(["sgd", "adam"]),
}
db = ExperimentDB(f"sqlite:///{pathlib.Path('view.sqlite').absolute()}")
search = db.add_experiment(RandomSearch("digits", space))
def train(lr, depth, momentum, optimizer):
    if optimizer == "sgd" and depth == 8:
        raise ValueError("the loss is not finite")
    print("trained with depth", depth)
    return {"accuracy": 0.97 - 0.05 * abs(math.log10(lr) + 2) - 0.1 * (momentum - 0.7) ** 2}
run = search.run(train, workers=2, jobs=12)
run"""


# What a person would ever see of the widgets' own way to fail.
BLUNDERS = ("Loading widget", "Error displaying widget", "model not found")


@pytest.fixture
def page(lab_page):
    for file in lab_page.server.root.glob("view.sqlite*"):
        file.unlink()
    lab_page.open(lab_page.write_notebook("experiments.ipynb", [LOAD, RUN, "run.wait()"]))
    lab_page.run_all()
    return lab_page


def test_a_run_shows_its_jobs_the_best_and_two_plots(page):
    view = page.cell_output(1)
    view.get_by_text("best accuracy").wait_for(timeout=180_000)
    page.wait_idle()
    view.get_by_role("img", name="accuracy over the trials").wait_for()
    view.get_by_role("img", name="hyperparameters and result of each trial").wait_for()
    view.get_by_role("row").nth(12).wait_for()  # the headings and all jobs
    assert ", running" not in view.inner_text(), "though the search would give out more jobs"
    page.picture("experiment")


def test_the_card_of_a_job_is_opened_by_its_id(page):
    view = page.cell_output(1)
    view.get_by_role("row").nth(12).wait_for(timeout=180_000)
    page.wait_idle()
    entry, hide = view.get_by_label("Card of job"), view.get_by_role("button", name="Hide the card")
    entry.fill(view.get_by_role("row").nth(1).get_by_role("cell").first.inner_text())
    entry.press("Enter")
    card = view.locator(".caikit-card")
    card.get_by_text("digits_").first.wait_for()
    card.get_by_text("trained with depth").wait_for()
    card.scroll_into_view_if_needed()
    page.picture("experiment-with-card")
    hide.click()
    card.wait_for(state="detached")
    entry.fill("nothing")
    entry.press("Enter")
    view.get_by_text("no job of this session has this id").wait_for()


def test_a_saved_notebook_shows_the_last_state_without_its_kernel(page):
    view = page.cell_output(1)
    view.get_by_text("best accuracy").wait_for()
    page.wait_idle()
    page.save()
    page.server.shut_down_kernels()
    page.reload()
    view.get_by_text("best accuracy").wait_for()
    view.get_by_role("img", name="hyperparameters and result of each trial").wait_for()
    assert view.get_by_role("row").count() == 13
    assert not [words for words in BLUNDERS if words in view.inner_text()]
    page.picture("experiment-without-kernel")


PID = "import os\npathlib.Path('pid').write_text(str(os.getpid()))\n"
WAIT = "while not pathlib.Path('go').exists(): time.sleep(0.02)"
WAITING = PID + RUN.replace("print(", f"{WAIT}\n    print(")


@pytest.fixture
def waiting_page(lab_page):
    for file in [*lab_page.server.root.glob("view.sqlite*"), lab_page.server.root / "go"]:
        file.unlink(missing_ok=True)
    lab_page.open(lab_page.write_notebook("waiting.ipynb", [LOAD, WAITING]))
    lab_page.run_all()
    lab_page.wait_idle()
    lab_page.cell_output(1).get_by_text("2 running").wait_for()
    until(lambda: kept(lab_page), "the view in the file")
    return lab_page


def kept(page) -> str:
    """What the file has of the view, as text."""
    return record.kept(page, "waiting.ipynb", 1)


@pytest.mark.parametrize("is_open", [True, False])
def test_the_end_of_a_run_is_in_the_file(waiting_page, is_open):
    page = waiting_page
    page.reload() if is_open else page.page.goto("about:blank")
    (page.server.root / "go").touch()
    if not is_open:
        page.open("waiting.ipynb")
    until(lambda: "done" in kept(page) and "running" not in kept(page), "the end in the file")
    assert "best accuracy" in kept(page)


def test_a_run_whose_kernel_was_restarted_has_its_end_in_the_file(waiting_page):
    page = waiting_page
    page.page.goto("about:blank")
    kernel = record.kernel_id(page.server, "waiting.ipynb")
    page.server.api(f"kernels/{kernel}/restart", method="POST")
    page.open("waiting.ipynb")
    # The kernel has had the time to say that it ended its jobs, or it hasn't.
    until(lambda: "digits" in kept(page) and "running" not in kept(page), "the end in the file")


def test_a_run_whose_kernel_died_says_so(waiting_page):
    page = waiting_page
    page.page.goto("about:blank")
    os.kill(int((page.server.root / "pid").read_text()), signal.SIGKILL)
    page.open("waiting.ipynb")
    # What was saved last may be of when one of them had not begun.
    until(lambda: "unfinished when its kernel ended" in kept(page), "the end in the file")
    assert "running" not in kept(page)
    page.cell_output(1).get_by_text("unfinished when its kernel ended").first.wait_for()
