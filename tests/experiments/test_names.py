"""An experiment's name is what everybody knows it by."""

import pytest

from caikit_nb.experiments import ManualSearch, OptunaSearch
from caikit_nb.experiments.distributions import Uniform


def test_an_experiment_of_a_database_is_not_renamed_and_says_so(db):
    experiment = db.add_experiment(ManualSearch("old"))
    for each in (experiment, db.get_experiment("old"), db.put_experiment(ManualSearch("old"))):
        with pytest.raises(AttributeError, match="experiment 'old' can't be renamed"):
            each.name = "new"
        each.name = "old"
        each.push_updates()
        assert each.name == "old"
    assert [each.name for each in db.get_experiments()] == ["old"]


def test_an_experiment_of_no_database_may_get_another_name(db):
    experiment = OptunaSearch("old", {"x": Uniform(0, 1)}, "min", "loss")
    with pytest.raises(ValueError, match="has a slash"):
        experiment.name = "a/b"
    experiment.name = "new"
    db.add_experiment(experiment)
    assert [each.name for each in db.get_experiments()] == ["new"]
