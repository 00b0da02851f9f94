"""Whole numbers, steps, and hyperparameters that depend on others."""

import contextlib
import random
from collections import Counter

import pytest

from caikit_nb.experiments import OptunaSearch, PopulationBasedTraining, RandomSearch
from caikit_nb.experiments.distributions import (
    Choice,
    Constant,
    Integer,
    LogUniform,
    Normal,
    Uniform,
    When,
    from_args,
    from_params,
    to_params,
)
from caikit_nb.experiments.errors import NoJobError
from caikit_nb.experiments.pbt import Perturb, Truncate

KERNELS = {
    "kernel": Choice(["linear", "rbf", "poly"]),
    "gamma": When({"kernel": ["rbf", "poly"]}, LogUniform(1e-4, 1)),
    "degree": When({"kernel": "poly"}, Integer(2, 5)),
    "shift": When({"degree": [4, 5]}, Constant(1)),
}


def names_for(values):
    """The names that a job of KERNELS has, in order."""
    names = ["kernel"]
    if values["kernel"] != "linear":
        names.append("gamma")
    if values["kernel"] == "poly":
        names.append("degree")
        if values["degree"] >= 4:
            names.append("shift")
    return names


def drain(search, result_name):
    """End its jobs until there is none; their hyperparameters."""
    with contextlib.suppress(NoJobError):
        while True:
            with search.next_job() as job:
                job.results[result_name] = random.random()
    return [job.hyperparameters for job in search.all_jobs()]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer(2, 1),
        lambda: Integer(1.5, 3),
        lambda: Integer(True, 3),
        lambda: Integer(1, 3, step=0),
        lambda: Integer(1, 9, step=2, log=True),
        lambda: Integer(0, 9, log=True),
        lambda: Integer(1, 9, log="yes"),
        lambda: Integer("a", 3),
        lambda: Uniform(0, 1, step=0),
        lambda: Uniform(0, 1, step=2),
        lambda: Uniform(0, 1, step="a"),
        lambda: When({}, Uniform(0, 1)),
        lambda: When("kernel", Uniform(0, 1)),
        lambda: When({"kernel": []}, Uniform(0, 1)),
        lambda: When({"kernel": "rbf"}, 0.1),
        lambda: When({"kernel": "rbf"}, When({"a": 1}, Uniform(0, 1))),
        lambda: When({"kernel": object()}, Uniform(0, 1)),
        lambda: RandomSearch("x", {"a": When({"b": 1}, Uniform(0, 1)), "b": Choice([1])}),
        lambda: RandomSearch("x", {"b": Choice([1]), "a": When({"b": 2}, Uniform(0, 1))}),
        lambda: OptunaSearch(
            "x", {"b": Choice([1]), "a": When({"b": 1}, Normal(0, 1))}, "min", "l"
        ),
        lambda: PopulationBasedTraining(
            "x", "min", "l", Truncate(), None, {"b": Choice([1]), "a": When({"b": 1}, Choice([1]))}
        ),
    ],
)
def test_what_can_not_be_drawn_is_refused_when_it_is_made(make):
    with pytest.raises(ValueError) as raised:
        make()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (Integer(1, 4), [1, 2, 3, 4]),
        (Integer(-3, 4, step=3), [-3, 0, 3]),
        (Integer(7, 7), [7]),
        (Integer(1, 4, log=True), [1, 2, 3, 4]),
        (Uniform(1, 3, step=1), [1.0, 2.0, 3.0]),
        (Uniform(0, 0.35, step=0.1), [0.0, 0.1, 0.2, 0.3]),
        (Uniform(-0.5, 0.5, step=0.5), [-0.5, 0.0, 0.5]),
    ],
)
@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_each_value_of_a_range_is_drawn_and_no_other(db, distribution, values, kind):
    space = {"n": distribution}
    search = (
        RandomSearch("range", space)
        if kind == "random"
        else OptunaSearch("range", space, "min", "loss", {"random": {"seed": 1}})
    )
    db.add_experiment(search)
    search = db.get_experiment("range")
    assert search.distributions == space
    drawn = [search.next_job().hyperparameters["n"] for _ in range(50)]
    assert [repr(value) for value in sorted(set(drawn))] == [repr(value) for value in values]


def test_a_logarithmic_range_prefers_small_numbers():
    generator = random.Random(1)
    draws = [Integer(1, 1000, log=True).sample(generator) for _ in range(500)]
    assert 100 < sum(draw <= 10 for draw in draws) < 300


@pytest.mark.parametrize(
    "each",
    [Integer(1, 9, step=2), Integer(1, 9, log=True), Uniform(0, 1, step=0.1), *KERNELS.values()],
)
def test_a_distribution_is_equal_to_its_stored_form_and_hashable(each):
    again = from_args({each.KIND: each.args()})
    assert again == each
    assert len({again, each}) == 1
    assert from_params(to_params({"a": each})) == {"a": each}


def test_ranges_and_plain_bounds_are_different():
    assert Uniform(1, 2) != Uniform(1, 2, step=1)
    assert Integer(1, 2) != Integer(1, 2, log=True)
    assert Uniform(1, 2).args() == {"low": 1.0, "high": 2.0}  # as it ever was


@pytest.mark.parametrize("stored", [{"when": {}}, {"when": 3}, {"integer": {"low": 1}}])
def test_a_stored_form_that_is_none_is_refused(stored):
    with pytest.raises(ValueError):
        from_args(stored)


@pytest.mark.parametrize("sampler", [None, "tpe", "random", "cmaes", "qmc", "NSGAIISampler"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_job_has_what_depends_on_others_only_with_these(db, sampler):
    search = (
        RandomSearch("kernels", KERNELS)
        if sampler is None
        else OptunaSearch("kernels", KERNELS, "min", "loss", sampler)
    )
    db.add_experiment(search)
    search = db.get_experiment("kernels")
    for at in range(25):
        with search.next_job() as job:
            job.results["loss"] = at
    found = [job.hyperparameters for job in search.all_jobs()]
    assert all(list(values) == names_for(values) for values in found)
    assert {values["kernel"] for values in found} == {"linear", "rbf", "poly"}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_brute_force_tries_each_branch_once(db):
    space = KERNELS | {"gamma": When({"kernel": "rbf"}, Uniform(0, 1, step=0.5))}
    search = db.add_experiment(OptunaSearch("all", space, "min", "loss", "BruteForceSampler"))
    points = [tuple(each.values()) for each in drain(search, "loss")]
    assert sorted(points) == [
        ("linear",),
        ("poly", 2),
        ("poly", 3),
        ("poly", 4, 1),
        ("poly", 5, 1),
        ("rbf", 0.0),
        ("rbf", 0.5),
        ("rbf", 1.0),
    ]


@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_a_job_by_hand_has_the_names_that_go_with_its_values(db, kind):
    search = (
        RandomSearch("kernels", KERNELS)
        if kind == "random"
        else OptunaSearch("kernels", KERNELS, "min", "loss")
    )
    db.add_experiment(search)
    search.add_job({"kernel": "linear"}, status="DONE", results={"loss": 1})
    search.add_job({"kernel": "poly", "gamma": 0.1, "degree": 2}, status="DONE")
    for wrong in (
        {"kernel": "linear", "gamma": 0.1},
        {"kernel": "rbf"},
        {"kernel": "linear", "degree": 5, "shift": 1},
        {"gamma": 0.1},
    ):
        with pytest.raises(ValueError, match="a job of this experiment has the hyperparameters"):
            search.add_job(wrong)


def test_pbt_keeps_whole_numbers_and_steps(db):
    initial = {"layers": Integer(1, 4), "rate": Uniform(0, 1, step=0.25), "free": Uniform(1, 2)}
    search = db.add_experiment(
        PopulationBasedTraining(
            *("pbt", "max", "score", Truncate(0.5)),
            explore=dict.fromkeys(initial, Perturb(0.5, 2)),
            initial_distributions=initial,
            population_size=4,
            max_generations=6,
        )
    )
    search = db.get_experiment("pbt")
    found = drain(search, "score")
    assert len(found) == 24
    assert {repr(each["layers"]) for each in found} <= {"1", "2", "3", "4"}
    assert {each["rate"] for each in found} <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len({each["layers"] for each in found}) > 1


def test_a_small_whole_number_can_change_by_a_small_factor():
    generator = random.Random(0)
    near = Counter(Integer(1, 9).near(2 * 1.2, generator) for _ in range(1000))
    assert set(near) == {2, 3}
    assert 300 < near[3] < 500
