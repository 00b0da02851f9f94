"""Each sampler and pruner does here what it does in a study of Optuna's own."""

import importlib.util
import itertools
import json

import pytest

from caikit_nb.experiments import OptunaSearch
from caikit_nb.experiments.distributions import Choice, Constant, Integer, LogUniform, Uniform, When
from caikit_nb.experiments.errors import NoJobError
from tests.lazy import Lazy

optuna = Lazy("optuna")

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

PLANE = {"x": Uniform(-5, 5), "rate": LogUniform(1e-3, 1)}
SMALL = {"x": Choice([1, 2]), "y": Choice(["a", "b"])}


def train(search, most=99):
    """End jobs until there is none; their points in order."""
    points = []
    for _ in range(most):
        try:
            with search.next_job() as job:
                job.results["loss"] = 1.0
                points.append(tuple(job.hyperparameters.values()))
        except NoJobError:
            break
    return points


def suggested(sampler, count):
    """The points that Optuna itself gives."""
    study = optuna.create_study(sampler=sampler)
    points = []

    def objective(trial):
        x, rate = trial.suggest_float("x", -5, 5), trial.suggest_float("rate", 1e-3, 1, log=True)
        points.append((x, rate))
        return 1.0

    study.optimize(objective, n_trials=count)
    return points


def flat(points):
    return [value for point in points for value in point]


@pytest.mark.parametrize(
    "options",
    [{}, {"scramble": True, "seed": 3}, {"qmc_type": "halton", "scramble": True, "seed": 0}],
    ids=["sobol", "scrambled", "halton"],
)
def test_qmc_gives_the_points_of_optunas_sequence(sqlite_url, open_db, options):
    expected = suggested(optuna.samplers.QMCSampler(**options), 9)
    open_db(sqlite_url).add_experiment(OptunaSearch("qmc", PLANE, "min", "loss", {"qmc": options}))
    points = []
    for _ in range(3):  # each time as a new process would
        points += train(open_db(sqlite_url).get_experiment("qmc"), 3)
    assert flat(points[1:]) == pytest.approx(flat(expected[1:]))  # the first is drawn at random
    assert len(set(points)) == 9


def test_a_scrambled_sequence_without_a_seed_is_one_sequence(db):
    chosen = {"qmc": {"scramble": True}}
    search = db.add_experiment(OptunaSearch("qmc", PLANE, "min", "loss", chosen))
    ((_, options),) = search.sampler.items()
    expected = suggested(optuna.samplers.QMCSampler(**options), 6)
    points = train(db.get_experiment("qmc"), 6)
    assert flat(points[1:]) == pytest.approx(flat(expected[1:]))


def test_workers_of_qmc_get_different_points(db):
    search = db.add_experiment(OptunaSearch("qmc", PLANE, "min", "loss", "qmc"))
    train(search, 1)
    held = [db.get_experiment("qmc").next_job() for _ in range(4)]
    assert len({tuple(job.hyperparameters.values()) for job in held}) == 4


GRID_OF_SMALL = {"GridSampler": {"search_space": {"x": [1, 2], "y": ["a", "b"]}}}


@pytest.mark.parametrize("sampler", ["BruteForceSampler", GRID_OF_SMALL], ids=["brute", "grid"])
def test_a_sampler_that_has_tried_everything_is_done(db, sampler):
    search = db.add_experiment(OptunaSearch("all", SMALL, "min", "loss", sampler))
    assert sorted(train(search)) == [*itertools.product([1, 2], ["a", "b"])]
    assert db.get_experiment("all").status == "DONE"


@pytest.mark.parametrize("sampler", ["BruteForceSampler", GRID_OF_SMALL], ids=["brute", "grid"])
def test_it_is_not_done_while_a_job_runs(db, sampler):
    search = db.add_experiment(OptunaSearch("all", SMALL, "min", "loss", sampler))
    held = [search.next_job() for _ in range(4)]
    assert len({tuple(job.hyperparameters.values()) for job in held}) == 4
    with pytest.raises(NoJobError, match="every point of the grid was given out"):
        search.next_job()
    assert db.get_experiment("all").status == "RUNNING"


@pytest.mark.parametrize("sampler", ["BruteForceSampler", GRID_OF_SMALL], ids=["brute", "grid"])
def test_it_tries_what_jobs_by_hand_and_deleted_ones_leave(db, sampler):
    search = db.add_experiment(OptunaSearch("all", SMALL, "min", "loss", sampler))
    search.add_job({"x": 2, "y": "b"}, status="DONE", results={"loss": 1})
    deleted = search.next_job()
    deleted.delete()
    rest = {*itertools.product([1, 2], ["a", "b"])} - {(2, "b")}
    assert sorted(train(search)) == sorted(rest)


def test_the_grid_sampler_takes_values_of_every_kind(db):
    space = {
        "n": Integer(1, 9),
        "rate": Uniform(0, 1),
        "layers": Choice([[8], [8, 8], None]),
        "flag": Choice([1, 1.0, True]),
        "fixed": Constant("f"),
    }
    axes = {"n": [2, 3], "rate": [0.5], "layers": [[8], None], "flag": [1, True]}
    chosen = {"GridSampler": {"search_space": axes, "seed": 3}}
    search = db.add_experiment(OptunaSearch("kinds", space, "min", "loss", chosen))
    points = train(db.get_experiment("kinds"))
    assert sorted(map(json.dumps, points)) == sorted(
        json.dumps((*values, "f")) for values in itertools.product(*axes.values())
    )
    assert search.counts() == {"DONE": 8}


def test_the_grid_sampler_gives_a_point_once_where_others_depend_on_it(db):
    space = {
        "kind": Choice(["linear", "rbf"]),
        "gamma": When({"kind": "rbf"}, Uniform(0, 1)),
    }
    axes = {"kind": ["linear", "rbf"], "gamma": [0.1, 0.2, 0.3]}
    chosen = {"GridSampler": {"search_space": axes}}
    search = db.add_experiment(OptunaSearch("dependent", space, "min", "loss", chosen))
    assert sorted(train(search)) == [("linear",), ("rbf", 0.1), ("rbf", 0.2), ("rbf", 0.3)]


DEPENDENT = {"k": Choice(["a", "b"]), "g": When({"k": "a"}, LogUniform(0.1, 1))}


def test_options_that_are_found_wrong_late_are_told_as_such(db):
    wrong = {"cmaes": {"popsize": 1}}
    search = db.add_experiment(OptunaSearch("late", PLANE, "min", "loss", wrong))

    def work() -> None:
        with search.next_job() as job:
            job.results["loss"] = 1.0

    work()
    with pytest.raises(ValueError, match="sampler CmaEsSampler: "):
        work()


@pytest.mark.parametrize(
    ("space", "sampler", "words"),
    [
        (SMALL, {"GridSampler": {"search_space": {"x": [1]}}}, "search_space must be of x, y"),
        (SMALL, {"GridSampler": {"search_space": {"x": [3], "y": ["a"]}}}, "'x' is never 3"),
        (SMALL, {"GridSampler": {}}, "search_space"),
        (PLANE, "BruteForceSampler", "BruteForceSampler"),
        (DEPENDENT, "BruteForceSampler", "BruteForceSampler"),
        (PLANE, {"tpe": {"n_startup_trials": "many"}}, "sampler TPESampler: "),
        (
            PLANE,
            {"PartialFixedSampler": {"fixed_params": {}, "base_sampler": 1}},
            "sampler PartialFixedSampler: ",
        ),
    ],
)
def test_a_sampler_that_can_not_do_it_is_refused_when_it_is_made(space, sampler, words):
    with pytest.raises(ValueError, match=words) as raised:
        OptunaSearch("refused", space, "min", "loss", sampler)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_gp_without_torch_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match="GPSampler needs torch: pip install torch"):
        OptunaSearch("gp", PLANE, "min", "loss", "gp")


def test_a_search_whose_packages_are_missing_here_can_be_looked_at(db, monkeypatch):
    search = db.add_experiment(OptunaSearch("qmc", PLANE, "min", "loss", "qmc"))
    train(search, 1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)  # as on another machine
    search = db.get_experiment("qmc")
    assert search.best().results == {"loss": 1.0}
    with pytest.raises(ValueError, match="QMCSampler needs scipy: pip install scipy"):
        search.next_job()


@pytest.mark.parametrize("pruner", ["halving", "hyperband"])
def test_a_pruner_remembers_how_far_each_job_has_come(sqlite_url, open_db, pruner):
    values = [0.5, 0.1, 0.9, 0.2, 0.8, 0.7, 0.3, 0.6, 0.4, 0.95]
    open_db(sqlite_url).add_experiment(
        OptunaSearch("pruned", {"x": Uniform(0, 1)}, "min", "loss", "random", pruner)
    )
    reached, expected = [], []
    for value in values:
        search = open_db(sqlite_url).get_experiment("pruned")
        with search.next_job() as job:
            reached.append(next(s for s in range(1, 33) if s == 32 or job.should_prune(value, s)))
            job.results["loss"] = value
    kind = {
        "halving": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }[pruner]
    study = optuna.create_study(study_name="pruned", pruner=kind())

    def comes_to(trial, step):
        trial.report(values[trial.number], step)
        return step == 32 or trial.should_prune()

    def objective(trial):
        expected.append(next(step for step in range(1, 33) if comes_to(trial, step)))
        return values[trial.number]

    study.optimize(objective, n_trials=len(values))
    assert reached == expected
    assert min(reached) < 32
