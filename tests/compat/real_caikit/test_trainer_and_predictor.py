"""Trainings and predictions of the real caikit as our jobs (contracts J20 to J31).

Run in an environment that has caikit: `tests/compat/test_with_real_caikit.py` does so.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caikit
import pytest
from caikit.core import MODEL_MANAGER
from caikit.core.data_model import JobStatus, TrainingStatus
from caikit.core.exceptions.caikit_core_exception import (
    CaikitCoreException,
    CaikitCoreStatusCode,
)
from caikit.core.model_management import job_predictor_base, model_trainer_base
from caikit.core.module_backends import backend_types

import caikit_nb.compat.caikit as bridge
from caikit_nb.session import current_session
from tests.compat.real_caikit.widgets import Held, Sample, Scaled, Scaling
from tests.fifo import Fifo

caikit.configure(config_dict=bridge.CONFIG)


def make_trainer(**config: Any) -> bridge.ModelTrainer:
    return bridge.ModelTrainer(config, "test-instance")


@pytest.fixture
def predictor(tmp_path: Path) -> bridge.JobPredictor:
    return bridge.JobPredictor({"result_dir": str(tmp_path)}, "default")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Fifo]:
    fifo = Fifo(tmp_path / "held")
    yield fifo
    for future in current_session().executor.registry.all():
        future.cancel()


METHODS = [
    pytest.param({}, id="thread"),
    *(
        pytest.param({"use_subprocess": True, "subprocess_start_method": method}, id=method)
        for method in ("fork", "forkserver", "spawn")
    ),
]


@pytest.mark.parametrize("config", METHODS)
def test_a_training_ends_as_a_model_that_is_saved_and_loaded(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """J21, J22, J25: models among the arguments cross, though they can't be pickled."""
    trainer = make_trainer(**config)
    path = str(tmp_path / "model")
    start = Scaling(10.0)
    future = trainer.train(Scaling, [1.0, 2.0, 3.0], save_path=path, start=start)
    model = future.result()
    assert (model.factor, future.load().factor) == (20.0, 20.0)
    assert (model.trained_by == os.getpid()) is (not config)
    assert caikit.load(path).run(Sample(2.0)).number == 40.0
    assert future.get_info().status is JobStatus.COMPLETED is TrainingStatus.COMPLETED
    assert isinstance(future, model_trainer_base.ModelTrainerFutureBase)


def test_the_model_manager_trains_with_it_and_finds_its_trainings(tmp_path: Path) -> None:
    """J24: also an id without a name leads to the default trainer."""
    future = caikit.train(Scaling, [4.0], save_path=str(tmp_path), save_with_id=True, wait=True)
    assert isinstance(MODEL_MANAGER.get_trainer("default"), bridge.ModelTrainer)
    assert MODEL_MANAGER.get_model_future(future.id) is future
    assert future.save_path == str(tmp_path / future.id)
    assert future.load().factor == 4.0
    assert caikit.load(future.save_path).factor == 4.0


def test_the_session_knows_a_training_as_one_of_its_jobs() -> None:
    future = make_trainer().train(Scaling, [1.0])
    assert current_session().registry["Scaling"] is future
    assert concurrent.futures.wait([future], 30).done == {future}
    assert "training on 1 numbers" in future.logs()


@pytest.mark.parametrize("config", METHODS)
def test_a_failed_training_tells_its_error(config: dict[str, Any], tmp_path: Path) -> None:
    """J5."""
    future = make_trainer(**config).train(
        Scaling, [1.0], save_path=str(tmp_path / "none"), fail="diverged"
    )
    assert future.wait() is None
    info = future.get_info()
    assert info.status is JobStatus.ERRORED
    assert [(type(error), str(error)) for error in info.errors] == [(RuntimeError, "diverged")]
    with pytest.raises(RuntimeError, match="diverged"):
        future.load()


def test_a_subprocess_without_a_path_has_no_model_to_load() -> None:
    """J22."""
    future = make_trainer(use_subprocess=True).train(Scaling, [1.0])
    with pytest.raises(ValueError, match="without a save_path"):
        future.result()


def now() -> datetime.datetime:
    """As caikit's runtime compares it."""
    return datetime.datetime.now()  # noqa: DTZ005


def test_times_are_naive_and_local(held: Fifo) -> None:
    """J6."""
    before = now()
    future = make_trainer().train(Held, held)
    info = future.get_info()
    assert info.status is JobStatus.RUNNING
    assert before <= info.submission_time <= now()
    assert info.completion_time is None
    held.say("1")
    future.wait()
    assert info.submission_time < future.get_info().completion_time <= now()


def test_a_cancelled_training_is_so_at_once(held: Fifo) -> None:
    """J4, J14."""
    future = make_trainer(use_subprocess=True).train(Held, held)
    assert future.cancel() is None
    assert future.get_info().status is JobStatus.CANCELED
    future.wait()
    assert future.get_info().errors is None


def test_an_id_of_the_callers_is_used_once_at_a_time(held: Fifo) -> None:
    """J23."""
    trainer = make_trainer()
    first = trainer.train(Held, held, external_training_id="mine")
    with pytest.raises(ValueError, match=r"Cannot restart training .*mine"):
        trainer.train(Scaling, [1.0], external_training_id="mine")
    assert trainer.get_model_future("mine") is trainer.get_future("mine") is first
    held.say("1")
    first.wait()
    second = trainer.train(Scaling, [1.0], external_training_id="mine")
    assert trainer.get_model_future("mine") is second


def test_an_unknown_id_is_not_found() -> None:
    """J19."""
    with pytest.raises(CaikitCoreException, match="Unknown training_id: nobody") as caught:
        make_trainer().get_model_future("nobody")
    assert caught.value.status_code is CaikitCoreStatusCode.NOT_FOUND


def test_a_training_is_purged_with_what_it_saved(tmp_path: Path) -> None:
    """J15, J17, J18, J20."""
    trainer = make_trainer(retention_duration="1d")
    future = trainer.train(Scaling, [1.0], save_path=str(tmp_path), save_with_id=True)
    future.wait()
    assert Path(future.save_path).is_dir()
    future._completion_time -= datetime.timedelta(days=2)
    with pytest.raises(CaikitCoreException, match="Unknown training_id"):
        trainer.get_model_future(future.id)
    assert not Path(future.save_path).exists()
    with pytest.raises(ValueError, match="Invalid retention_duration"):
        make_trainer(retention_duration="1 day")


def test_a_prediction_is_written_and_read(predictor: bridge.JobPredictor, tmp_path: Path) -> None:
    """J27, J28, J31."""
    future = predictor.predict(Scaling(3.0), "run", Sample(2.0))
    result = future.result()
    assert isinstance(result, Scaled)
    assert result.number == 6.0
    saved = tmp_path / future.id / "result.bin"
    assert saved.read_bytes() == result.to_binary_buffer()
    assert predictor.get_prediction_future(future.id) is predictor.get_future(future.id) is future
    assert isinstance(future, job_predictor_base.JobPredictorFutureBase)
    future._completion_time -= datetime.timedelta(days=400)
    assert saved.exists()  # it is kept for ever, as no retention was set


def test_a_prediction_is_purged_with_its_directory(tmp_path: Path) -> None:
    """J28."""
    config = {"result_dir": str(tmp_path), "retention_duration": "1d"}
    predictor = bridge.JobPredictor(config, "default")
    future = predictor.predict(Scaling(3.0), "run", sample=Sample(2.0))
    future.wait()
    future._completion_time -= datetime.timedelta(days=2)
    predictor._purge_old_futures()
    assert not (tmp_path / future.id).exists()
    with pytest.raises(CaikitCoreException, match="Unknown background_id"):
        predictor.get_prediction_future(future.id)


def test_a_failed_prediction_is_not_found_and_says_why(predictor: bridge.JobPredictor) -> None:
    """J29."""
    future = predictor.predict(Scaling(3.0), "run", Sample(-1.0))
    with pytest.raises(CaikitCoreException, match="is not found") as caught:
        future.result()
    assert caught.value.status_code is CaikitCoreStatusCode.NOT_FOUND
    assert str(caught.value.__cause__) == "negative"


def test_a_prediction_id_of_the_callers_is_used_once_at_a_time(
    predictor: bridge.JobPredictor, tmp_path: Path
) -> None:
    """J30."""
    go = tmp_path / "go"
    model = Scaling(2.0)
    first = predictor.predict(
        model, "run_when", str(go), Sample(1.0), external_prediction_id="mine"
    )
    with pytest.raises(ValueError, match=r"Cannot restart prediction .*mine"):
        predictor.predict(model, "run", Sample(1.0), external_prediction_id="mine")
    go.touch()
    assert first.result().number == 2.0
    again = predictor.predict(model, "run", Sample(2.0), external_prediction_id="mine")
    assert again.result().number == 4.0


def test_the_model_manager_predicts_with_it() -> None:
    future = MODEL_MANAGER.start_prediction_job(Scaling(2.0), "run", Sample(4.0))
    assert future.result().number == 8.0
    assert MODEL_MANAGER.get_prediction_future(future.id) is future


def test_caikits_initializer_hands_out_our_backend(tmp_path: Path) -> None:
    assert backend_types.CAIKIT_NB == "CAIKIT_NB"
    backends = MODEL_MANAGER.get_initializer("default").backends
    backend = backends[0]
    assert isinstance(backend, bridge.ModuleBackend)
    with backend.start_lock():
        backend.start()
    assert backend.is_started
    backend.stop()
    assert not backend.is_started
    Scaling(5.0).save(str(tmp_path / "model"))
    assert caikit.load(str(tmp_path / "model")).factor == 5.0
