"""Searches by the real Optuna."""

import math

import pytest

from caikit_nb.experiments import OptunaSearch
from caikit_nb.experiments.distributions import Choice, Constant, LogUniform, Uniform
from tests.lazy import Lazy

visualization = Lazy("optuna.visualization")
matplotlib = Lazy("optuna.visualization.matplotlib")
pyplot = Lazy("matplotlib.pyplot")

PLANE = {"x": Uniform(-5, 5), "y": Uniform(-5, 5)}


def distance(job):
    return (job.hyperparameters["x"] - 1) ** 2 + (job.hyperparameters["y"] + 2) ** 2


def train(experiment, count, result=distance):
    for _ in range(count):
        with experiment.next_job() as job:
            job.results["loss"] = result(job)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_sampler_learns_from_the_results_across_processes_of_the_search(
    sqlite_url, open_db, sampler
):
    options = {sampler: {"seed": 3}}
    open_db(sqlite_url).add_experiment(OptunaSearch("plane", PLANE, "min", "loss", options))
    for _ in range(5):  # each time as a new process would
        train(open_db(sqlite_url).get_experiment("plane"), 12)
    losses = [job.results["loss"] for job in open_db(sqlite_url).get_experiment("plane").all_jobs()]
    early, late = sorted(losses[:15]), sorted(losses[-15:])
    assert late[7] < early[7] / 2  # medians
    assert len(set(losses)) == 60


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random"])
def test_infinity_is_a_result_as_it_is_with_optuna(db, sampler):
    search = db.add_experiment(OptunaSearch("holes", PLANE, "min", "loss", sampler))
    train(search, 12, lambda job: math.inf if job.hyperparameters["x"] < 0 else distance(job))
    study = search.study()
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert (
        study.best_value == search.best().results["loss"] == search.best_jobs()[0].results["loss"]
    )


def test_cmaes_keeps_its_state_in_the_database(sqlite_url, open_db):
    open_db(sqlite_url).add_experiment(OptunaSearch("cma", PLANE, "min", "loss", "cmaes"))
    for _ in range(4):
        train(open_db(sqlite_url).get_experiment("cma"), 4)
    jobs = list(open_db(sqlite_url).get_experiment("cma").all_jobs())
    generations = [
        value
        for job in jobs
        for key, value in job.origin["optuna"].items()
        if key.endswith("generation")
    ]
    assert max(generations) >= 1


def test_every_kind_of_value_comes_back_as_it_was_given(db):
    choices = [1, 1.0, True, None, "1", [1, {"a": 2}]]
    space = {"c": Choice(choices), "lr": LogUniform(1e-4, 1), "fixed": Constant([3])}
    experiment = db.add_experiment(OptunaSearch("kinds", space, "max", "v"))
    for _ in range(15):
        with experiment.next_job() as job:
            assert repr(job.hyperparameters["c"]) in [repr(choice) for choice in choices]
            assert job.hyperparameters["fixed"] == [3]
            job.results["v"] = job.hyperparameters["lr"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_study_opens_in_optunas_own_tools(db):
    experiment = db.add_experiment(OptunaSearch("study", PLANE, "min", "loss", pruner="median"))
    train(experiment, 4)
    with experiment.next_job() as job:
        job.prune()
    experiment.add_job({"x": 99, "y": 0}, status="DONE", results={"loss": 5})
    experiment.add_job({"x": 1, "y": 0}, status="DONE", results={"loss": math.nan})
    experiment.next_job().report(0.5, 3)
    study = experiment.study()
    states = [trial.state.name for trial in study.trials]
    assert states == [*["COMPLETE"] * 4, "PRUNED", "COMPLETE", "FAIL", "RUNNING"]
    assert study.best_value == experiment.best().results["loss"]
    figure = matplotlib.plot_optimization_history(study)
    assert figure.get_title()


VISUALISATIONS = [
    "contour",
    "edf",
    "intermediate_values",
    "optimization_history",
    "parallel_coordinate",
    "param_importances",
    "rank",
    "slice",
    "timeline",
]


@pytest.mark.parametrize("name", VISUALISATIONS)
@pytest.mark.parametrize("library", [visualization, matplotlib], ids=["plotly", "matplotlib"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_own_visualisations_draw_a_search(db, library, name):
    space = {**PLANE, "kind": Choice(["sgd", "adam"]), "depth": Choice([2, 4])}
    sampler = {"tpe": {"seed": 3}}  # of one kind only there is no picture
    search = OptunaSearch("drawn", space, "min", "loss", sampler, "median")
    db.add_experiment(search)
    for _ in range(6):
        with search.next_job() as job:
            for step in range(3):
                job.report(distance(job) / (step + 1), step)
            job.results["loss"] = distance(job)
    with search.next_job() as job:
        job.prune()
    with pytest.raises(ZeroDivisionError), search.next_job():
        raise ZeroDivisionError
    search.next_job()
    search.add_job({"x": 1, "y": 1, "kind": "sgd", "depth": 2})
    assert getattr(library, f"plot_{name}")(db.get_experiment("drawn").study()) is not None
    pyplot.close("all")


def test_the_study_has_the_times_and_the_words_of_the_jobs(db):
    space = {"kind": Choice(["sgd", "adam"]), "mixed": Choice(["1", 1])}
    search = db.add_experiment(OptunaSearch("timed", space, "min", "loss"))
    with search.next_job() as job:
        job.results["loss"] = 1
    search.add_job({"kind": "sgd", "mixed": "1"})
    ended, waiting = search.study().trials
    assert ended.datetime_start.astimezone() == job.started_at
    assert ended.datetime_complete.astimezone() == job.ended_at
    assert (waiting.datetime_start, waiting.datetime_complete) == (None, None)
    assert waiting.params == {"kind": "sgd", "mixed": "1"}


def test_the_median_pruner_gives_up_what_is_worse_than_the_others(db):
    experiment = db.add_experiment(
        OptunaSearch("prune", PLANE, "min", "loss", pruner={"median": {"n_startup_trials": 3}})
    )
    for _ in range(3):
        with experiment.next_job() as job:
            assert not job.should_prune(1.0, 0)
            job.results["loss"] = 1.0
    with experiment.next_job() as job:
        assert not job.should_prune(0.5, 0)
        job.results["loss"] = 0.5
    with experiment.next_job() as job:
        assert job.should_prune(9.0, 0)
        job.prune()
    assert job.status == "PRUNED"


def test_without_a_pruner_nothing_is_given_up(db):
    experiment = db.add_experiment(OptunaSearch("kept", PLANE, "min", "loss"))
    assert not experiment.next_job().should_prune(1e9, 0)


def test_a_report_must_be_a_number_at_a_whole_step(db):
    job = db.add_experiment(OptunaSearch("steps", PLANE, "min", "loss")).next_job()
    for value, step in (("x", 1), (1.0, "x"), (1.0, 1.5)):
        with pytest.raises((TypeError, ValueError)):
            job.report(value, step)
    job.report(math.nan, 1)
    job.report(math.inf, 2)
