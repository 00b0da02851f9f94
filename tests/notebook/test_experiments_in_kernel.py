"""Experiments from a notebook, in a real kernel."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.conftest import LOAD
from tests.notebook.gate import Gate
from tests.notebook.kernel import WIDGET_VIEW, Kernel

SETUP = """
from caikit_nb.experiments import *
db = ExperimentDB()
U = distributions.Uniform
"""


@pytest.fixture(scope="module")
def loaded_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose experiments are kept in a file of its own."""
    home = tmp_path_factory.mktemp("kernel")
    with Kernel(home, {"CAIKIT_NB_EXPERIMENTS": f"sqlite:///{home / 'e.sqlite'}"}) as kernel:
        kernel.do(f"{LOAD}\n{SETUP}")
        yield kernel


def jobs_of(kernel: Kernel, name: str) -> list[dict]:
    kernel.do(f"_e = db.get_experiment({name!r})")
    return kernel.value(
        "[dict(id=j.job_id, status=j.status, hp=j.hyperparameters, results=j.results, "
        "source=j.source, reason=j.reason, origin=j.origin, "
        "timed=bool(j.started_at and j.ended_at)) for j in _e.all_jobs()]"
    )


def until_stored(kernel: Kernel, name: str, statuses: list[str]) -> list[dict]:
    """The jobs of an experiment once they have these statuses."""
    kernel.until(
        f"sorted(j.status for j in db.get_experiment({name!r}).all_jobs()) == {sorted(statuses)}"
    )
    return jobs_of(kernel, name)


@pytest.mark.parametrize("method", ["auto", "spawn", "thread"])
def test_a_cell_is_recorded_with_source_parameters_metrics_and_times(
    kernel: Kernel, method: str
) -> None:
    source = "caikit_nb.log_metric(loss=lr * 2)\ncaikit_nb.log_metric(loss=lr)"
    kernel.do(f"%%caikit_job -m {method} -e cells_{method} -p lr=0.1 -p kind=sgd\n{source}")
    (job,) = until_stored(kernel, f"cells_{method}", ["DONE"])
    assert job["hp"] == {"lr": 0.1, "kind": "sgd"}
    assert job["results"] == {"loss": 0.1}
    assert job["source"] == source
    assert job["timed"]


def test_an_experiment_leaves_fork_possible(kernel: Kernel) -> None:
    kernel.do("%%caikit_job forked -m fork -e forks\n1")
    kernel.do("%%caikit_job again -m auto -e forks --wait\n1")
    assert kernel.value("again.start_method") == "fork"


def test_a_failed_cell_is_crashed_with_the_reason(kernel: Kernel) -> None:
    kernel.do("%%caikit_job -e failing\ncaikit_nb.log_metric(a=1)\n1 / 0")
    (job,) = until_stored(kernel, "failing", ["CRASHED"])
    assert job["reason"] == "ZeroDivisionError: division by zero"
    assert job["results"] == {"a": 1}


def test_a_cancelled_cell_is_crashed_with_the_reason(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job held -e cancelling\n{gate.wait}")
    kernel.do("%caikit_jobs cancel held")
    (job,) = until_stored(kernel, "cancelling", ["CRASHED"])
    assert job["reason"] == "cancelled"


def test_a_cell_takes_the_next_job_with_its_hyperparameters_as_variables(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('nexts', {'lr': U(0, 1)}))")
    kernel.do("%%caikit_job taken -e nexts --next --wait\ncaikit_nb.log_metric(twice=lr * 2)\nlr")
    (job,) = until_stored(kernel, "nexts", ["DONE"])
    assert kernel.value("taken.result()") == job["hp"]["lr"]
    assert job["results"]["twice"] == 2 * job["hp"]["lr"]
    assert "log_metric" in job["source"]


def test_the_card_names_the_experiment(kernel: Kernel) -> None:
    kernel.do("%%caikit_job carded -e on_card -p lr=3 --wait\n1")
    assert "experiment on_card" in kernel.card("carded").wait_for("lr=3")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--next", "--next needs -e/--experiment NAME"),
        ("-e none --next", "there is no experiment 'none'"),
        ("-e empty --next", "has no job to run: none is queued"),
        ("-e nexts2 --next -p lr=1", "'lr' comes from the experiment with --next"),
        ("-e nexts2 -p other=1", "has the hyperparameters lr, and no others"),
        ("-e a/b", "an experiment's name must be"),
        ("-e ..", "an experiment's name must be"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_stored(
    kernel: Kernel, line: str, says: str
) -> None:
    kernel.do(
        "for _x in (ManualSearch('empty'), RandomSearch('nexts2', {'lr': U(0, 1)})):\n"
        "    try: db.add_experiment(_x)\n"
        "    except errors.ResourceExistsError: pass"
    )
    count = "sum(len(list(e.all_jobs())) for e in db.get_experiments())"
    before = kernel.value(count)
    told = kernel.run(f"%%caikit_job {line}\n1").text
    assert told.startswith("UsageError: %%caikit_job: ")
    assert says in told
    assert told.count("\n") == 1
    assert kernel.value(count) == before


def test_a_cell_that_can_not_be_sent_leaves_no_row_and_gives_its_job_back(kernel: Kernel) -> None:
    kernel.do("lock = __import__('threading').Lock()")
    kernel.do("e = db.add_experiment(ManualSearch('unsent'))\ne.add_job({'x': 1});")
    for line in ("-m spawn -e unsent -p x=2", "-m spawn -e unsent --next"):
        assert "'lock' can't be pickled" in kernel.run(f"%%caikit_job {line}\nlock").text
    (job,) = jobs_of(kernel, "unsent")
    assert (job["status"], job["hp"]) == ("QUEUED", {"x": 1})


def test_run_runs_the_jobs_of_a_search_and_shows_it(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('running', {'x': U(0, 1)}))")
    cell = kernel.do(
        "offset = 10\n"
        "def train(x):\n    caikit_nb.log_metric(seen=x)\n    return {'score': x + offset}\n"
        "run = e.run(train, workers=2, jobs=5)\noffset = 0"
    )
    assert WIDGET_VIEW in cell.displays[0]
    assert kernel.value("run.wait(120)")
    jobs = jobs_of(kernel, "running")
    assert [job["status"] for job in jobs] == ["DONE"] * 5
    assert all(
        job["results"] == {"score": job["hp"]["x"] + 10, "seen": job["hp"]["x"]} for job in jobs
    )
    assert kernel.value("[f.status.name for f in run.futures]") == ["COMPLETED"] * 5
    assert kernel.value("e.best('score').results['score']") == max(
        job["results"]["score"] for job in jobs
    )


def test_run_has_the_workers_that_it_was_given(kernel: Kernel, tmp_path: Path) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(
        "def train(x):\n    import os, time\n"
        f"    while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)\n    return x"
    )
    kernel.do("e = db.add_experiment(RandomSearch('wide', {'x': U(0, 1)}))")
    kernel.do("run = e.run(train, workers=3, jobs=6)")
    running = "sum(job.status.name == 'RUNNING' for job in caikit_nb.jobs.values())"
    kernel.until(f"{running} == 3")
    (tmp_path / "go").touch()
    assert kernel.value("run.wait(120)")
    assert kernel.value("[f.status.name for f in run.futures]") == ["COMPLETED"] * 6
    kernel.do("%config CaikitJobs.max_workers = 2")


def test_an_experiment_that_is_the_value_of_a_cell_is_shown(kernel: Kernel) -> None:
    cell = kernel.do("db.add_experiment(GridSearch('a value', {'x': [1]}))")
    (shown,) = cell.displays
    assert "experiment a value (GridSearch): no jobs yet" in shown["text/plain"]
    assert WIDGET_VIEW in shown
    assert kernel.do("ManualSearch('alone')").text == "<ManualSearch 'alone' RUNNING>\n"
    kernel.do("e = db.get_experiment('a value');")
    kernel.do("%%caikit_job told --wait\ne")
    assert kernel.value("told.logs()").strip() == "<GridSearch 'a value' RUNNING>"


def test_run_trains_a_population_to_its_end(kernel: Kernel) -> None:
    kernel.do(
        "e = db.add_experiment(PopulationBasedTraining('pop', 'max', 'score', pbt.Truncate(), "
        "{'x': pbt.Perturb()}, {'x': U(0, 1)}, population_size=3, max_generations=2))\n"
        "def train(x):\n    return caikit_nb.current_job().results.get('score', 0) + x\n"
        "run = e.run(train, workers=3)"
    )
    assert kernel.value("run.wait(120)")
    jobs = jobs_of(kernel, "pop")
    assert len(jobs) == 6
    scores = {job["id"]: job["results"]["score"] for job in jobs}
    for job in jobs:
        before = scores.get(job["origin"]["parent"], 0)
        assert job["results"]["score"] == pytest.approx(before + job["hp"]["x"])


def test_a_run_that_is_cancelled_ends_its_jobs(kernel: Kernel, gate: Gate) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('stopping', {'x': U(0, 1)}))")
    kernel.do(f"def train(x):\n    {gate.wait}\nrun = e.run(train, workers=2)")
    kernel.until("len(run.futures) == 2")
    kernel.do("run.cancel()")
    assert kernel.value("run.wait(120)")
    assert {job["status"] for job in jobs_of(kernel, "stopping")} == {"CRASHED"}


def test_results_that_can_not_be_stored_are_crashed_with_the_reason(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('odd', {'x': U(0, 1)}))")
    kernel.do("run = e.run(lambda x: {'good': 1, 'bad': {1, 2}}, jobs=1)")
    assert kernel.value("run.wait(120)")
    (job,) = jobs_of(kernel, "odd")
    assert job["status"] == "CRASHED"
    assert "results['bad'] can't be stored" in job["reason"]


def test_a_job_without_the_result_of_its_search_is_crashed_with_the_reason(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(OptunaSearch('mute', {'x': U(0, 1)}, 'min', 'loss'))")
    kernel.do("run = e.run(lambda x: {'lost': x}, jobs=1)\nrun.wait()")
    kernel.do("%%caikit_job -e mute --next --wait\ncaikit_nb.log_metric(loss=x)")
    kernel.do("%%caikit_job -e mute --next --wait\nx")
    first, second, third = until_stored(kernel, "mute", ["CRASHED", "DONE", "CRASHED"])
    assert first["reason"] == "it gave no result 'loss', which the search goes by"
    assert (second["status"], third["reason"]) == ("DONE", first["reason"])
    assert first["results"].keys() == {"lost"}


RESULTS_THAT_ARE_NO_NUMBER = {
    "'0.5'": "its result 'loss' is '0.5', and the search goes by a number",
    "(0.5, 0.4)": "its result 'loss' is [0.5, 0.4], and the search goes by a number",
    "{'loss': None}": "its result 'loss' is None, and the search goes by a number",
    "x > 2": "its result 'loss' is False, and the search goes by a number",
}


@pytest.mark.parametrize(("value", "reason"), RESULTS_THAT_ARE_NO_NUMBER.items())
def test_a_result_that_is_no_number_is_crashed_with_the_reason(
    kernel: Kernel, value: str, reason: str
) -> None:
    name = f"no number: {value}"
    kernel.do(f"e = db.add_experiment(OptunaSearch({name!r}, {{'x': U(0, 1)}}, 'min', 'loss'))")
    kernel.do(f"run = e.run(lambda x: {value}, jobs=1)\nrun.wait()")
    (job,) = jobs_of(kernel, name)
    assert (job["status"], job["reason"]) == ("CRASHED", reason)


def test_a_training_that_diverged_is_done_and_told(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(OptunaSearch('diverged', {'x': U(0, 1)}, 'min', 'loss'))")
    kernel.do("run = e.run(lambda x: float('nan'), jobs=1)\nrun.wait()")
    kernel.do("(row,) = db.get_experiment('diverged').all_jobs()")
    assert kernel.value("[row.status, row.reason]") == [
        "DONE",
        "its result 'loss' is nan, and the search goes by a number",
    ]


def test_a_run_gives_several_results_in_their_order(kernel: Kernel) -> None:
    kernel.do("goals = ['min', 'max'], ['loss', 'accuracy']")
    kernel.do("e = db.add_experiment(OptunaSearch('two', {'x': U(0, 1)}, *goals))")
    kernel.do("run = e.run(lambda x: (x, 1 - x), jobs=2, workers=1)\nrun.wait()")
    jobs = jobs_of(kernel, "two")
    assert [job["status"] for job in jobs] == ["DONE", "DONE"]
    assert all(job["results"]["loss"] == job["hp"]["x"] for job in jobs)
    assert all(job["results"]["accuracy"] == 1 - job["hp"]["x"] for job in jobs)
    best = min(jobs, key=lambda job: job["hp"]["x"])
    assert kernel.value("[job.job_id for job in e.best_jobs()]") == [best["id"]]


def test_an_experiment_that_is_deleted_under_a_run_is_told_as_that(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('deleted', {'x': U(0, 1)}))")
    kernel.do(f"def train(x):\n    {gate.wait}\n    return x\nrun = e.run(train, workers=1)")
    kernel.until("len(run.futures) == 1")
    kernel.do("e.delete()")
    gate.open()
    kernel.do(
        "try: run.wait(120)\nexcept caikit_nb.errors.ResourceMissingError as error: told = error"
    )
    assert kernel.value("str(told)").endswith("'deleted' any more: it was deleted")
    kernel.until("any('was deleted' in note for note in run.futures[0]._job.notes)")


def test_a_replay_is_no_job_of_the_experiment(kernel: Kernel, tmp_path: Path) -> None:
    flag = str(tmp_path / "fails")
    kernel.do(f"%%caikit_job first -e replayed -p x=1 --wait\nopen({flag!r})")
    before = until_stored(kernel, "replayed", ["CRASHED"])
    (tmp_path / "fails").touch()
    kernel.do("second = first.replay()\nsecond.wait()")
    assert kernel.value("second.status.name") == "COMPLETED"
    assert jobs_of(kernel, "replayed") == before


def test_a_replay_is_no_job_of_a_run(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(OptunaSearch('rerun', {'x': U(0, 1)}, 'min', 'loss'))")
    kernel.do(
        "def train(x):\n    caikit_nb.current_job().should_prune(x, 0)\n    return x\n"
        "run = e.run(train, jobs=2, workers=1)\nrun.wait()\n"
        "before = e._storage.reports(), e.fingerprint()\n"
        "again = run.futures[0].replay()\nagain.wait()"
    )
    assert kernel.value("again.status.name") == "COMPLETED"
    assert kernel.value("(e._storage.reports(), e.fingerprint()) == before") is True


FIRST_PASSES = """
def train(x):
    import os, time
    try:
        os.close(os.open({first!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        while not os.path.exists({go!r}):
            time.sleep(0.02)
    return x
"""


def test_a_replay_is_none_of_the_jobs_that_a_run_waits_for(kernel: Kernel, tmp_path: Path) -> None:
    kernel.do(FIRST_PASSES.format(first=str(tmp_path / "first"), go=str(tmp_path / "go")))
    kernel.do("e = db.add_experiment(RandomSearch('more', {'x': U(0, 1)}))")
    kernel.do("run = e.run(train, jobs=2, workers=1)")
    kernel.until("len(run.futures) == 2")
    kernel.do("again = run.futures[0].replay()")
    (tmp_path / "go").touch()
    assert kernel.value("(again.wait(120), run.wait(120))") == [True, True]
    assert [job["status"] for job in jobs_of(kernel, "more")] == ["DONE"] * 2


def test_a_value_that_can_not_come_home_is_crashed_with_the_reason(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('homeless', {'x': U(0, 1)}))")
    kernel.do("run = e.run(lambda x: {'lock': __import__('threading').Lock()}, jobs=1)")
    assert kernel.value("run.wait(120)")
    (job,) = jobs_of(kernel, "homeless")
    assert job["status"] == "CRASHED"
    assert "lock" in job["reason"]


def test_a_job_prunes_itself_when_its_experiment_says_so(kernel: Kernel) -> None:
    kernel.do(
        "e = db.add_experiment(OptunaSearch('pruned', {'x': U(0, 1)}, 'min', 'loss', "
        "sampler='random', pruner={'threshold': {'upper': 5}}))\n"
        "def train(x, limit=[0]):\n"
        "    job = caikit_nb.current_job()\n"
        "    for step in range(10):\n"
        "        if job.should_prune(step, step):\n"
        "            raise caikit_nb.errors.JobPruned()\n"
        "    return x\n"
        "run = e.run(train, jobs=1)"
    )
    assert kernel.value("run.wait(120)")
    (job,) = jobs_of(kernel, "pruned")
    assert (job["status"], job["reason"]) == ("PRUNED", "given up as a poor trial")
    assert kernel.value("run.futures[0].status.name") == "PRUNED"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("e.run(3)", "run needs a function to call, not int"),
        ("e.run(abs, workers=0)", "workers must be a whole number from 1"),
        ("e.run(abs, jobs=True)", "jobs must be a whole number from 1"),
        ("e.run(abs, odd=1)", "unknown option 'odd'"),
        ("e.run(abs, backend='inline')", "run works in the background"),
    ],
)
def test_a_wrong_run_is_refused_and_takes_no_job(kernel: Kernel, call: str, says: str) -> None:
    kernel.do("e = ExperimentDB().put_experiment(ManualSearch('wrong run'))")
    before = kernel.value("len(list(e.all_jobs()))")
    kernel.do("e.add_job({});")
    assert says in kernel.run(call).error
    assert kernel.value("e.counts()") == {"QUEUED": before + 1}


def test_outside_experiments_nothing_is_pruned(kernel: Kernel) -> None:
    kernel.do("%%caikit_job free --wait\ncaikit_nb.current_job().should_prune(1.0, 1)")
    assert kernel.value("free.result()") is False


def test_the_view_follows_what_others_do(kernel: Kernel) -> None:
    kernel.do("e = db.add_experiment(ManualSearch('viewed'))")
    cell = kernel.do("%caikit_experiment viewed")
    box = kernel.widgets[cell.displays[0][WIDGET_VIEW]["model_id"]]
    model = box["children"][0].removeprefix("IPY_MODEL_")
    assert "no jobs yet" in kernel.widgets[model]["value"]
    kernel.do(
        "for n in range(3):\n"
        "    with e.add_job({'lr': 10.0 ** -n, 'kind': 'ab'[n % 2]}) as j: j.results['loss'] = n"
    )

    def shows(text: str) -> bool:
        return text in kernel.widgets[model]["value"]

    kernel.read_until(lambda: shows("3 done"), 30, "the view to show its jobs")
    assert shows("best loss")
    assert kernel.widgets[model]["value"].count("<svg") == 2
    kernel.read_until(
        lambda: any("3 done" in each.get("text/html", "") for each in kernel.displays.values()),
        30,
        "the saved form",
    )
    saved = next(d for d in kernel.displays.values() if "3 done" in d.get("text/html", ""))
    assert "best loss: 0 with lr=1, kind=a" in saved["text/plain"]


def test_the_names_of_the_experiments_are_listed(kernel: Kernel) -> None:
    kernel.do("try: db.add_experiment(ManualSearch('listed'))\nexcept Exception: pass")
    assert "listed  ManualSearch, no jobs yet" in kernel.do("%caikit_experiment").text
    told = kernel.run("%caikit_experiment nobody").text
    assert told == "UsageError: %caikit_experiment: there is no experiment 'nobody'\n"


def test_the_setting_says_where_experiments_are_kept(kernel: Kernel, tmp_path: Path) -> None:
    kernel.do(f"%config CaikitJobs.experiments = 'sqlite:///{tmp_path / 'own.sqlite'}'")
    kernel.do("%%caikit_job -e elsewhere --wait\n1")
    kernel.do("%config CaikitJobs.experiments = None")
    assert (tmp_path / "own.sqlite").exists()
    assert "no experiment 'elsewhere'" in kernel.run("%caikit_experiment elsewhere").text


def test_the_jobs_of_a_kernel_that_ends_go_back_to_the_queue(
    start_kernel, tmp_path: Path, gate: Gate
) -> None:
    url = f"sqlite:///{tmp_path / 'ending.sqlite'}"
    kernel = start_kernel(CAIKIT_NB_EXPERIMENTS=url)
    kernel.do(f"{LOAD}\n{SETUP}db = ExperimentDB(lease_s=3)")
    kernel.do("e = db.add_experiment(ManualSearch('ending'))\ne.add_job({'x': 1});")
    kernel.do(f"def train(x):\n    {gate.wait}\nrun = e.run(train)")
    kernel.until("len(run.futures) == 1")
    kernel.manager.shutdown_kernel(now=True)

    from caikit_nb.experiments import ExperimentDB
    from tests.waiting import until

    db = ExperimentDB(url)
    experiment = db.get_experiment("ending")
    until(lambda: experiment.counts() == {"QUEUED": 1})
    assert json.dumps([job.hyperparameters for job in experiment.all_jobs()]) == '[{"x": 1}]'
    db.close()


def test_views_that_stand_still_have_the_end_in_the_saved_notebook(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do("e = db.add_experiment(RandomSearch('still', {'x': U(0, 1)}))")
    kernel.do(
        f"def train(x):\n    {gate.wait}\n    return x\nrun = e.run(train, workers=1, jobs=1)"
    )
    kernel.until("e.counts().get('RUNNING') == 1")
    before = set(kernel.displays)
    for _ in range(5):
        kernel.do("e")
    views = [key for key in kernel.displays if key not in before]
    assert len(views) == 5
    gate.open()
    kernel.read_until(
        lambda: all("1 done" in kernel.displays[key]["text/plain"] for key in views),
        180,
        "the end is saved",
    )
