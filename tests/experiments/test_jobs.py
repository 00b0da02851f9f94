"""Jobs of an experiment: putting, claiming, ending (contracts S1 to S8)."""

import math
import pickle
from enum import IntEnum

import numpy
import pytest

from caikit_nb.experiments import ExperimentDB, Job, ManualSearch, OptunaSearch
from caikit_nb.experiments.distributions import Uniform
from caikit_nb.experiments.errors import (
    ExperimentError,
    JobPruned,
    ResourceMissingError,
    UnsafeUpdateError,
    UnstorableValueError,
)


@pytest.fixture
def experiment(db: ExperimentDB) -> ManualSearch:
    return db.add_experiment(ManualSearch("manual"))


def test_an_added_job_can_be_read_again(experiment):
    job = experiment.add_job({"lr": 0.1, "layers": [8, None, {"deep": True}]})
    again = experiment.get_job(job.job_id)
    assert again.hyperparameters == {"lr": 0.1, "layers": [8, None, {"deep": True}]}
    assert (again.status, again.results, again.etag) == ("QUEUED", {}, job.etag)
    assert str(job) == (
        f"Job(id={job.job_id!r}, experiment='manual', hyperparameters={job.hyperparameters!r})"
    )


def test_a_job_may_be_added_in_any_status_with_results(experiment):
    job = experiment.add_job({"lr": 1}, status="DONE", results={"loss": 2})
    again = experiment.get_job(job.job_id)
    assert (again.status, again.results) == ("DONE", {"loss": 2})
    assert again.ended_at is not None


def test_the_statuses_are_their_names():
    for status in ("QUEUED", "RUNNING", "CRASHED", "PRUNED", "DONE"):
        assert getattr(Job, status) == status
    assert (ManualSearch.RUNNING, ManualSearch.DONE) == ("RUNNING", "DONE")


def test_jobs_share_no_results(experiment):
    first, second = Job("a", experiment, {}), Job("b", experiment, {})
    first.results["loss"] = 1
    assert second.results == {}


def test_a_safe_put_fails_and_writes_nothing_when_somebody_was_faster(experiment):
    job = experiment.add_job({"lr": 1})
    other = experiment.get_job(job.job_id)
    other.results["loss"] = 1
    other.put()
    job.results["loss"] = 2
    with pytest.raises(UnsafeUpdateError, match="changed by somebody else"):
        job.put()
    assert experiment.get_job(job.job_id).results == {"loss": 1}


def test_an_unsafe_put_overwrites(experiment):
    job = experiment.add_job({"lr": 1})
    other = experiment.get_job(job.job_id)
    other.put()
    job.results["loss"] = 2
    job.put(safe=False)
    assert experiment.get_job(job.job_id).results == {"loss": 2}
    job.put()  # it has the new etag


def test_a_put_without_an_etag_only_creates(experiment):
    Job("mine", experiment, {"lr": 1}).put()
    assert experiment.get_job("mine").hyperparameters == {"lr": 1}
    with pytest.raises(UnsafeUpdateError):
        Job("mine", experiment, {"lr": 2}).put()
    Job("mine", experiment, {"lr": 3}).put(safe=False)
    assert experiment.get_job("mine").hyperparameters == {"lr": 3}


def test_results_that_were_cleared_are_gone(experiment):
    job = experiment.add_job({"lr": 1}, results={"loss": 1})
    job.results.clear()
    job.put()
    assert experiment.get_job(job.job_id).results == {}


def test_an_etag_of_a_deleted_job_fits_no_later_one(experiment):
    first = Job("same", experiment, {"lr": 1})
    first.put()
    experiment.get_job("same").delete()
    Job("same", experiment, {"lr": 2}).put()
    with pytest.raises(UnsafeUpdateError):
        first.put()


@pytest.mark.parametrize(
    "etag", ["", "x", "1-", "-1", "1-x", "\N{SUPERSCRIPT TWO}-1", f"{10**30}-1", f"1-{10**30}"]
)
def test_an_etag_that_was_never_given_out_is_a_lost_update(url, open_db, etag):
    experiment = open_db(url).add_experiment(ManualSearch("etags"))
    job = experiment.add_job({"lr": 1})
    job.etag = etag
    with pytest.raises(UnsafeUpdateError):
        job.put()


def test_a_job_that_was_deleted_meanwhile_is_told_as_that(experiment):
    job = experiment.add_job({"lr": 1})
    experiment.get_job(job.job_id).delete()
    with pytest.raises(UnsafeUpdateError, match="was deleted, and nothing was written") as raised:
        job.put()
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    assert list(experiment.all_jobs()) == []


def test_an_experiment_that_was_deleted_meanwhile_is_told_as_that(experiment):
    job = experiment.add_job({"lr": 1})
    experiment.delete()
    for safe in (True, False):
        with pytest.raises(ExperimentError, match="was deleted"):
            job.put(safe=safe)
    experiment.status = "DONE"
    for ask in (experiment.next_job, experiment.push_updates, experiment.refresh):
        with pytest.raises(ResourceMissingError, match="any more: it was deleted"):
            ask()


def test_deleting_a_missing_job_is_an_error_unless_that_is_fine(experiment):
    job = experiment.add_job({"lr": 1})
    job.delete()
    with pytest.raises(ResourceMissingError, match="has no job"):
        job.delete()
    job.delete(ensure=False)
    with pytest.raises(ResourceMissingError):
        experiment.get_job(job.job_id)


def test_a_lost_claim_leaves_the_job_here_as_it_was(experiment):
    job = experiment.add_job({"lr": 1})
    other = experiment.get_job(job.job_id)
    other.try_run()
    with pytest.raises(UnsafeUpdateError):
        job.try_run()
    assert job.status == "QUEUED"


def test_inside_with_a_job_runs_and_behind_it_is_done(experiment):
    with experiment.add_job({"lr": 1}) as job:
        assert experiment.get_job(job.job_id).status == "RUNNING"
        job.results["loss"] = 3
        job.put()
        assert experiment.get_job(job.job_id).results == {"loss": 3}
    stored = experiment.get_job(job.job_id)
    assert (stored.status, stored.results) == ("DONE", {"loss": 3})
    assert stored.created_at <= stored.started_at <= stored.ended_at


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_inside_with_is_crashed_and_goes_on(experiment, kind):
    job = experiment.add_job({"lr": 1})
    with pytest.raises(kind), job:  # noqa: PT012
        job.results["loss"] = 3
        raise kind("the first line\nthe second")
    stored = experiment.get_job(job.job_id)
    assert (stored.status, stored.results) == ("CRASHED", {"loss": 3})
    assert stored.reason == f"{kind.__name__}: the first line"


def test_a_job_that_prunes_itself_stays_pruned_behind_with(experiment):
    with experiment.add_job({"lr": 1}) as job:
        job.prune()
    assert experiment.get_job(job.job_id).status == "PRUNED"


def test_the_pruning_error_ends_with_as_pruned_and_goes_no_further(experiment):
    with experiment.add_job({"lr": 1}) as job:
        raise JobPruned("poor")
    assert experiment.get_job(job.job_id).status == "PRUNED"


def test_the_training_error_is_not_hidden_by_a_lost_update(experiment):
    job = experiment.add_job({"lr": 1})
    with pytest.raises(ValueError, match="the real error") as raised, job:  # noqa: PT012
        experiment.get_job(job.job_id).put()
        raise ValueError("the real error")
    assert "could not be stored as CRASHED" in raised.value.__notes__[0]


def test_a_job_that_has_ended_can_not_be_run(experiment):
    job = experiment.add_job({"lr": 1}, status="DONE")
    with pytest.raises(ValueError, match="is DONE, and only a QUEUED job can run"), job:
        pass


@pytest.mark.parametrize("status", ["BOGUS", "", "done", None, 3, ["DONE"]])
def test_a_status_outside_the_list_is_refused(experiment, status):
    with pytest.raises(ValueError, match="status must be one of QUEUED, RUNNING"):
        experiment.add_job({"lr": 1}, status=status)
    job = experiment.add_job({"lr": 1})
    job.status = status
    with pytest.raises(ValueError, match="status must be one of"):
        job.put()
    assert experiment.get_job(job.job_id).status == "QUEUED"


def test_numpy_values_are_stored_as_plain_ones(experiment):
    class Size(IntEnum):
        LARGE = 7

    given = {
        "int": numpy.int64(3),
        "float": numpy.float32(0.5),
        "double": numpy.float64(0.25),
        "bool": numpy.bool_(True),
        "array": numpy.array([[1, 2], [3, 4]]),
        "scalar array": numpy.array(5),
        "text": numpy.str_("a"),
        "long": numpy.longdouble(1.5),
        "enum": Size.LARGE,
        "tuple": (1, 2),
    }
    stored = experiment.get_job(experiment.add_job(given).job_id).hyperparameters
    assert stored == {
        "int": 3,
        "float": 0.5,
        "double": 0.25,
        "bool": True,
        "array": [[1, 2], [3, 4]],
        "scalar array": 5,
        "text": "a",
        "long": 1.5,
        "enum": 7,
        "tuple": [1, 2],
    }
    assert type(stored["bool"]) is bool
    assert type(stored["int"]) is int


def test_nan_and_infinity_survive(url, open_db):
    experiment = open_db(url).add_experiment(ManualSearch("odd numbers"))
    values = {"nan": math.nan, "inf": math.inf, "low": -math.inf, "array": numpy.array([numpy.nan])}
    results = experiment.get_job(experiment.add_job(results=values).job_id).results
    assert math.isnan(results["nan"])
    assert math.isnan(results["array"][0])
    assert (results["inf"], results["low"]) == (math.inf, -math.inf)


@pytest.mark.parametrize("text", ["\x00", "\ud800", "ü€😀", "'; DROP TABLE x; --", "a\nb"])
def test_any_text_survives(url, open_db, text):
    experiment = open_db(url).add_experiment(ManualSearch("texts"))
    stored = experiment.get_job(experiment.add_job({text: text}).job_id)
    assert stored.hyperparameters == {text: text}


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_an_error_s_odd_text_is_told_as_far_as_it_can_be(url, open_db, text):
    """The error of a command whose output is not UTF-8 has such characters."""
    experiment = open_db(url).add_experiment(ManualSearch("odd"))
    job_id = experiment.add_job({"lr": 1}, source=text).job_id
    with pytest.raises(ValueError, match="a"), experiment.next_job():
        raise ValueError(text)
    stored = experiment.get_job(job_id)
    assert (stored.status, stored.reason) == ("CRASHED", "ValueError: a\N{REPLACEMENT CHARACTER}b")
    assert stored.source == "a\N{REPLACEMENT CHARACTER}b"


def test_steps_are_whole_numbers_that_a_database_holds(url, open_db):
    job = open_db(url).add_experiment(ManualSearch("steps")).add_job()
    for step in (0, -1, 2**62):  # tokens that were seen are counted in billions
        job.report(0.5, step)
    assert list(job.experiment._storage.reports().values()) == [dict.fromkeys((-1, 0, 2**62), 0.5)]
    with pytest.raises(ValueError, match=r"step must be below 2\*\*63"):
        job.report(0.5, 2**63)


def test_large_integers_survive(experiment):
    assert experiment.get_job(experiment.add_job({"n": 10**40}).job_id).hyperparameters["n"] == (
        10**40
    )


class Odd:
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Odd(), "results['a'] can't be stored: a Odd is not a JSON value"),
        ([1, Odd()], "results['a'][1] can't be stored"),
        ({"b": {"c": Odd()}}, "results['a']['b']['c'] can't be stored"),
        ({1: 2}, "results['a'][1] can't be stored: its name must be a text"),
        (1j, "a complex is not a JSON value"),
        (b"bytes", "a bytes is not a JSON value"),
        ({1, 2}, "a set is not a JSON value"),
        (numpy.datetime64("2020-01-01"), "NumPy's datetime64[D] is not a JSON value"),
        ([10**5000], "results['a'][0] can't be stored: it has more digits than"),
        (numpy.array([1j]), "NumPy's complex128 is not a JSON value"),
    ],
)
def test_what_can_not_be_stored_is_named_and_nothing_is_written(experiment, value, says):
    job = experiment.add_job({"lr": 1})
    job.results["a"] = value
    with pytest.raises(UnstorableValueError) as raised:
        job.put()
    assert says in str(raised.value)
    assert experiment.get_job(job.job_id).results == {}


def test_what_holds_itself_is_refused(experiment):
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(UnstorableValueError, match="nested more than 100 deep"):
        experiment.add_job({"a": endless})


def test_all_jobs_come_in_order_and_can_be_put_safely(experiment):
    ids = [experiment.add_job({"n": n}).job_id for n in range(30)]
    found = list(experiment.all_jobs())
    assert [job.job_id for job in found] == ids
    found[7].results["x"] = 1
    found[7].put()
    assert experiment.get_job(ids[7]).results == {"x": 1}


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ({"loss": 0.5, "ms": 3}, ""),
        ({"loss": numpy.float32(0.5), "ms": -math.inf}, ""),
        ({"ms": 3}, "it gave no result 'loss', which the search goes by"),
        ({"loss": 0.5}, "it gave no result 'ms', which the search goes by"),
        ({"loss": "0.5", "ms": 3}, "its result 'loss' is '0.5', and the search goes by a number"),
        ({"loss": True, "ms": 3}, "its result 'loss' is True, and the search goes by a number"),
        ({"loss": [0.5], "ms": 3}, "its result 'loss' is [0.5], and the search goes by a number"),
        ({"loss": math.nan, "ms": 3}, "its result 'loss' is nan, and the search goes by a number"),
    ],
)
def test_a_result_that_the_search_can_not_use_is_told(db, results, reason):
    search = OptunaSearch("told", {"x": Uniform(0, 1)}, "min", "loss", constraints={"ms": 9})
    db.add_experiment(search)
    with search.next_job() as job:
        job.results = results
    assert (job.status, job.reason) == ("DONE", reason)
    assert search.get_job(job.job_id).reason == reason


def test_a_long_result_is_told_in_short(db):
    search = db.add_experiment(OptunaSearch("told", {"x": Uniform(0, 1)}, "min", "loss"))
    with search.next_job() as job:
        job.results["loss"] = [0.5] * 1000
    assert len(job.reason) < 150
