"""An experiment's view in a real JupyterLab."""

import pytest

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
    assert "running" not in view.inner_text(), "though the search would give out more jobs"
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
