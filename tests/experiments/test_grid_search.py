"""Every point of a grid is given out once, whatever becomes of the grid and of its jobs."""

import itertools

import pytest

from caikit_nb.experiments import GridSearch
from caikit_nb.experiments.errors import NoJobError

GRID = {"a": [1, 2], "b": [1, 2]}
GROWN = {"a": [1, 2], "b": [1, 2, 3]}


def drain(experiment):
    """End its jobs until there is none; their points in order."""
    points = []
    while True:
        try:
            with experiment.next_job() as job:
                points.append(tuple(job.hyperparameters.values()))
        except NoJobError:
            return points


def test_a_grid_gives_out_every_combination_once_and_is_done(db):
    grid = {"a": [1, 2, 3], "b": ["x", None], "c": [[1], [2]]}
    db.add_experiment(GridSearch("grid", grid))
    experiment = db.get_experiment("grid")
    assert drain(experiment) == list(itertools.product(*grid.values()))
    with pytest.raises(NoJobError, match="it is DONE"):
        experiment.next_job()
    assert db.get_experiment("grid").status == "DONE"


def test_a_grid_is_not_done_before_its_last_job_has_ended(db):
    experiment = db.add_experiment(GridSearch("grid", {"a": [1, 2]}))
    jobs = [experiment.next_job() for _ in range(2)]
    with pytest.raises(NoJobError, match="every point of the grid was given out"):
        experiment.next_job()
    jobs[0].status = "QUEUED"  # as when its worker dies
    jobs[0].put()
    assert experiment.next_job().job_id == jobs[0].job_id


def test_a_grid_that_has_grown_gives_out_what_is_new(db):
    assert len(drain(db.add_experiment(GridSearch("grid", GRID)))) == 4
    experiment = db.put_experiment(GridSearch("grid", GROWN))
    assert drain(experiment) == [(1, 3), (2, 3)]
    assert sorted(tuple(job.hyperparameters.values()) for job in experiment.all_jobs()) == [
        *itertools.product(*GROWN.values())
    ]


def test_a_grid_may_grow_in_place(db):
    experiment = db.add_experiment(GridSearch("grid", GRID))
    drain(experiment)
    experiment.grid["a"] = range(1, 4)
    experiment.status = "RUNNING"
    experiment.push_updates()
    assert drain(db.get_experiment("grid")) == [(3, 1), (3, 2)]


def test_an_axis_may_be_added_to_a_grid(db):
    drain(db.add_experiment(GridSearch("grid", {"a": [1]})))
    experiment = db.put_experiment(GridSearch("grid", {"a": [1], "c": [0, 1]}))
    assert drain(experiment) == [(1, 0), (1, 1)]


def test_a_grid_may_shrink_and_grow_while_it_is_drained(db):
    experiment = db.add_experiment(GridSearch("grid", GROWN))
    for _ in range(2):
        with experiment.next_job():
            pass
    assert drain(db.put_experiment(GridSearch("grid", {"a": [1, 2], "b": [3]}))) == [
        *((1, 3), (2, 3))
    ]
    assert drain(db.put_experiment(GridSearch("grid", GROWN))) == [(2, 1), (2, 2)]


def test_a_point_that_was_added_by_hand_is_not_given_out_again(db):
    experiment = db.add_experiment(GridSearch("grid", GRID))
    experiment.add_job({"b": 1.0, "a": 1}, status="DONE")
    assert drain(experiment) == [(1, 2), (2, 1), (2, 2)]


def test_a_point_whose_job_is_deleted_is_given_out_again(db):
    experiment = db.add_experiment(GridSearch("grid", GRID))
    first = experiment.next_job()
    second = experiment.next_job()
    first.delete()
    assert experiment.next_job().hyperparameters == {"a": 1, "b": 1}
    assert experiment.next_job().hyperparameters == {"a": 2, "b": 1}
    assert second.hyperparameters == {"a": 1, "b": 2}


def test_a_value_that_stands_twice_is_tried_twice(db):
    experiment = db.add_experiment(GridSearch("grid", {"a": [1, 1.0, True], "seed": [0, 0]}))
    assert len(drain(experiment)) == 6
