"""What the searches give out (contracts S16 to S21)."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.experiments import (
    GridSearch,
    ManualSearch,
    OptunaSearch,
    PopulationBasedTraining,
    RandomSearch,
)
from caikit_nb.experiments.distributions import (
    Choice,
    Constant,
    LogUniform,
    Normal,
    Uniform,
    from_args,
)
from caikit_nb.experiments.errors import NoJobError
from caikit_nb.experiments.pbt import MAXIMIZE, MINIMIZE, Perturb, Truncate

EVERY_KIND = {
    "lr": LogUniform(1e-5, 1e-1),
    "dropout": Uniform(0, 0.5),
    "noise": Normal(0, 2),
    "layers": Choice([[8], [8, 8], None], weights=[1, 2, 1]),
    "epochs": Constant(3),
}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(5, 1),
        lambda: Uniform(1, 1),
        lambda: Uniform(0, math.nan),
        lambda: Uniform(-1e308, 1e308),
        lambda: Uniform("a", 1),
        lambda: LogUniform(-1, 0),
        lambda: LogUniform(0, 1),
        lambda: LogUniform(1, math.inf),
        lambda: Normal(0, -1),
        lambda: Normal(0, 0),
        lambda: Choice([]),
        lambda: Choice([1, 2], weights=[1]),
        lambda: Choice([1, 2], weights=[0, 0]),
        lambda: Choice([1, 2], weights=[-1, 2]),
        lambda: Choice([object()]),
        lambda: Constant({1: 2}),
        lambda: Truncate(7),
        lambda: Truncate(0),
        lambda: Truncate("0.2"),
        lambda: Perturb(5, 1),
        lambda: Perturb(-1, 1),
        lambda: RandomSearch("x", {"lr": 0.1}),
        lambda: RandomSearch("x", None),
        lambda: GridSearch("x", {}),
        lambda: GridSearch("x", {"lr": []}),
        lambda: GridSearch("x", {"lr": "abc"}),
        lambda: GridSearch("x", {"lr": 3}),
        lambda: OptunaSearch("x", {"lr": Normal(0, 1)}, "min", "loss"),
        lambda: OptunaSearch("x", {"lr": Uniform(0, 1)}, "least", "loss"),
        lambda: OptunaSearch("x", {"lr": Uniform(0, 1)}, "min", "loss", "clairvoyant"),
        lambda: OptunaSearch("x", {"lr": Uniform(0, 1)}, "min", "loss", {"tpe": {"odd": 1}}),
        lambda: PopulationBasedTraining("x", "best", "loss", Truncate()),
        lambda: PopulationBasedTraining("x", "min", "", Truncate()),
        lambda: PopulationBasedTraining("x", "min", "loss", 0.2),
        lambda: PopulationBasedTraining("x", "min", "loss", Truncate(), {"lr": 2}),
        lambda: PopulationBasedTraining("x", "min", "loss", Truncate(), max_generations=0),
        lambda: PopulationBasedTraining("x", "min", "loss", Truncate(), population_size=1.5),
        lambda: PopulationBasedTraining(
            "x", "min", "loss", Truncate(), {"lr": Perturb()}, {"b": Uniform(0, 1)}
        ),
    ],
)
def test_wrong_arguments_are_refused_when_it_is_made(make):
    with pytest.raises(ValueError) as raised:
        make()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_distribution_is_equal_to_its_stored_form_and_hashable(name):
    each = EVERY_KIND[name]
    again = from_args({each.KIND: each.args()})
    assert again == each
    assert len({again, each}) == 1
    assert repr(each).startswith(type(each).__name__)


def test_distributions_of_different_kinds_are_not_equal():
    assert Uniform(1, 2) != LogUniform(1, 2)
    assert Uniform(1, 2) != Uniform(1, 3)


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"uniform": {"low": 1}}, {"psychic": {}}, {"uniform": 3}, {"const": 1, "b": 2}],
)
def test_a_stored_form_that_is_none_is_refused(stored):
    with pytest.raises(ValueError):
        from_args(stored)


@given(st.floats(1e-300, 1e300), st.floats(1.0000001, 1e6), st.sampled_from([Uniform, LogUniform]))
def test_draws_stay_below_the_end(low, factor, kind):
    high = min(low * factor, 1e307)
    if low < high:
        for seed in range(20):
            assert low <= kind(low, high).sample(random.Random(seed)) < high


def test_weights_are_obeyed():
    drawn = Counter(Choice("ab", weights=[0, 1]).sample(random) for _ in range(50))
    assert drawn == {"b": 50}


def test_a_manual_search_gives_out_what_was_added_in_order(db):
    experiment = db.add_experiment(ManualSearch("manual"))
    ids = [experiment.add_job({"n": n}).job_id for n in range(3)]
    experiment.add_job({"n": 3}, status="DONE")
    assert [experiment.next_job().job_id for _ in ids] == ids
    with pytest.raises(NoJobError, match="none is queued"):
        experiment.next_job()


def test_a_random_search_draws_new_jobs_when_none_is_queued(db):
    experiment = db.add_experiment(RandomSearch("random", EVERY_KIND))
    by_hand = experiment.add_job(dict.fromkeys(EVERY_KIND, 1))
    assert experiment.next_job().job_id == by_hand.job_id
    drawn = [experiment.next_job().hyperparameters for _ in range(20)]
    assert all(set(hyperparameters) == set(EVERY_KIND) for hyperparameters in drawn)
    assert len({hyperparameters["lr"] for hyperparameters in drawn}) == 20
    assert all(1e-5 <= each["lr"] < 1e-1 and each["epochs"] == 3 for each in drawn)


def test_a_job_by_hand_must_have_the_searchs_hyperparameters(db):
    experiment = db.add_experiment(RandomSearch("random", {"a": Uniform(0, 1)}))
    for wrong in ({}, {"a": 1, "b": 2}, {"b": 1}):
        with pytest.raises(ValueError, match="has the hyperparameters a, and no others"):
            experiment.add_job(wrong)
    assert list(experiment.all_jobs()) == []


def train_all(experiment, result):
    """Train until there is no job; returns the jobs in order."""
    while True:
        try:
            with experiment.next_job() as job:
                job.results["score"] = result(job)
        except NoJobError:
            return list(experiment.all_jobs())


def pbt(db, **options):
    return db.add_experiment(
        PopulationBasedTraining(
            "pbt",
            MAXIMIZE,
            "score",
            Truncate(0.25),
            explore={"rate": Perturb(0.5, 0.9)},
            initial_distributions={"rate": Uniform(1, 2), "kind": Choice(["a"])},
            population_size=4,
            **options,
        )
    )


def test_pbt_trains_every_generation_and_is_done(db):
    experiment = pbt(db, max_generations=3)
    jobs = train_all(experiment, lambda job: job.hyperparameters["rate"])
    assert Counter(job.origin["generation"] for job in jobs) == {0: 4, 1: 4, 2: 4}
    assert db.get_experiment("pbt").status == "DONE"
    with pytest.raises(NoJobError):
        experiment.next_job()


def test_pbt_goes_on_from_a_parent_with_its_results_and_changed_hyperparameters(db):
    jobs = train_all(pbt(db, max_generations=4), lambda job: job.results.get("score", 0) + 1)
    by_id = {job.job_id: job for job in jobs}
    children = [job for job in jobs if job.origin["generation"] > 0]
    for job in children:
        parent = by_id[job.origin["parent"]]
        factor = job.hyperparameters["rate"] / parent.hyperparameters["rate"]
        assert 0.5 <= factor <= 0.9
        assert job.hyperparameters["kind"] == "a"
        assert job.results["score"] == parent.results["score"] + 1


def test_pbt_lets_the_worst_go_on_from_the_best(db):
    experiment = pbt(db)
    for score in (5, 1, 9, 7):
        with experiment.next_job() as job:
            job.results = {"score": score, "model_path": f"model {score}"}
    parents = [experiment.next_job().results["model_path"] for _ in range(4)]
    assert parents == ["model 5", "model 9", "model 9", "model 7"]


def test_pbt_minimizes_when_told(db):
    experiment = db.add_experiment(
        PopulationBasedTraining("min", MINIMIZE, "loss", Truncate(0.5), {"x": Perturb()})
    )
    for loss in (1, 2):
        with experiment.add_job({"x": loss}) as job:
            job.results["loss"] = loss
    assert [experiment.next_job().results["loss"] for _ in range(2)] == [1, 1]
    assert experiment.best().results == {"loss": 1}


def test_pbt_replaces_a_crashed_member_by_one_of_the_best(db):
    experiment = pbt(db, max_generations=2)
    for score in (5, None, 9, 7):
        job = experiment.next_job()
        job.status = "CRASHED" if score is None else "DONE"
        job.results = {"score": score}
        job.put()
    assert [experiment.next_job().results["score"] for _ in range(4)] == [5, 9, 9, 7]


def test_pbt_gives_nobody_a_member_that_is_being_trained(db):
    experiment = pbt(db)
    held = [experiment.next_job() for _ in range(4)]
    with pytest.raises(NoJobError, match="every member of the population is being trained"):
        experiment.next_job()
    with held[2]:
        held[2].results["score"] = 1
    assert experiment.next_job().origin["member"] == held[2].origin["member"]


@pytest.mark.parametrize("score", [None, math.nan, "good", True])
def test_pbt_takes_a_result_that_is_no_number_as_the_worst(db, score):
    experiment = pbt(db)
    for value in (1, score, 3, 2):
        with experiment.next_job() as job:
            job.results["score"] = value
    assert [experiment.next_job().results["score"] for _ in range(4)] == [1, 3, 3, 2]


def test_pbt_needs_the_explored_hyperparameters(db):
    experiment = pbt(db)
    for wrong in ({}, {"rate": "fast"}):
        with pytest.raises(ValueError, match="rate"):
            experiment.add_job(wrong)


def test_pbt_without_anything_to_begin_with_says_so(db):
    experiment = db.add_experiment(PopulationBasedTraining("bare", "min", "x", Truncate()))
    with pytest.raises(NoJobError, match="its first jobs are added by hand"):
        experiment.next_job()


def test_the_best_job_is_that_of_the_objective(db):
    experiment = db.add_experiment(ManualSearch("best"))
    for score in (3, math.nan, 7, "x", None, 5):
        experiment.add_job({}, status="DONE", results={"score": score, "n": 1})
    experiment.add_job({}, results={"score": 100})
    assert experiment.best("score").results["score"] == 7
    assert experiment.best("score", "min").results["score"] == 3
    with pytest.raises(LookupError, match="with a number 'loss'"):
        experiment.best("loss")
    with pytest.raises(ValueError, match="which result"):
        experiment.best()
    with pytest.raises(ValueError, match="'min' or 'max'"):
        experiment.best("score", "most")


def test_the_tables_own_columns_stay_what_they_are(db):
    experiment = db.add_experiment(ManualSearch("record"))
    named = {"job": "etl", "status": "married"}
    job = experiment.add_job(named, status="DONE", results={"reason": "early stop", "ended": 7})
    row = experiment.to_pandas().loc[job.job_id]
    assert (row["status"], row["hyperparameter.status"], row["hyperparameter.job"]) == (
        *("DONE", "married", "etl"),
    )
    assert (row["result.reason"], row["result.ended"]) == ("early stop", 7)


def test_names_that_look_like_the_tables_own_have_columns_of_their_own(db):
    experiment = db.add_experiment(ManualSearch("look-alikes"))
    hyperparameters = {"status": 1, "hyperparameter.status": 2, "result.loss": 3, "loss": 4}
    results = {"loss": 5, "result.loss": 6, "status": 7, "hyperparameter.status": 8}
    experiment.add_job(hyperparameters, status="DONE", results=results)
    (row,) = experiment.to_pandas().to_dict("records")
    assert row["status"] == "DONE"
    assert sorted(value for value in row.values() if isinstance(value, int)) == list(range(1, 9))


def test_the_table_has_hyperparameters_and_results(db):
    experiment = db.add_experiment(ManualSearch("table"))
    assert experiment.to_pandas().empty
    job = experiment.add_job({"lr": 0.1, "x": 1}, status="DONE", results={"loss": 2, "x": 3})
    frame = experiment.to_pandas()
    row = frame.loc[job.job_id]
    assert (row["status"], row["lr"], row["loss"], row["x"], row["result.x"]) == (
        "DONE",
        0.1,
        2,
        1,
        3,
    )


def test_the_tables_columns_are_the_same_for_every_job(db):
    experiment = db.add_experiment(ManualSearch("table"))
    experiment.add_job({"kernel": "linear"}, status="DONE", results={"loss": 2, "depth": 1})
    experiment.add_job({"kernel": "tree", "depth": 5}, status="DONE", results={"loss": 3})
    frame = experiment.to_pandas()
    assert list(frame) == [
        *("status", "kernel", "depth", "loss", "result.depth", "started", "ended", "reason")
    ]
    assert list(frame["result.depth"].dropna()) == [1]
    assert list(frame["depth"].dropna()) == [5]
