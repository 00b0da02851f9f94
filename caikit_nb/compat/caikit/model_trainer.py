"""A caikit model trainer whose trainings are jobs."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import caikit
from caikit.core.model_management.model_trainer_base import ModelTrainerBase, ModelTrainerFutureBase
from caikit.core.modules import ModuleBase
from caikit.core.toolkit.logging import configure as configure_logging

from caikit_nb.compat.caikit.futures import CaikitFuture
from caikit_nb.compat.caikit.job_owner import JobOwner
from caikit_nb.compat.caikit.names import TYPE


class TrainingFuture(CaikitFuture):
    """A training (contracts J21, J22)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._in_process = bool(kwargs.get("use_subprocess"))
        super().__init__(*args, **kwargs)

    @property
    def _job_name(self) -> str:
        return str(getattr(self.module_class, "__name__", self._future_name))

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Train, and save where there is a path. In the job."""
        if not hasattr(self, "_job"):  # as in a fresh interpreter, to which no job crosses
            configure_logging()
        model = self.module_class.train(*args, **{name: _open(kwargs[name]) for name in kwargs})
        if self.save_path is not None:
            model.save(self.save_path)
        return None if self._in_process else model

    def load(self) -> Any:
        """Wait for the training, then give its model.

        Raises:
            ValueError: it ran in a process of its own and saved nothing.
            Exception: what the training raised.
        """
        return self.result()

    def result(self, timeout: float | None = None) -> Any:
        """Like `load`, for `timeout` seconds at most."""
        model = super().result(timeout)
        if not self._in_process:
            return model
        if self.save_path is None:
            raise ValueError(
                f"training {self.id} ran in a subprocess without a save_path, so there is nothing "
                "to load its model from"
            )
        if not Path(self.save_path).exists():
            raise ValueError(f"the model of training {self.id} is not at {self.save_path} any more")
        return caikit.load(self.save_path)


ModelTrainerFutureBase.register(TrainingFuture)


class ModelTrainer(JobOwner[TrainingFuture], ModelTrainerBase):
    """``type: CAIKIT_NB`` among caikit's trainers (contracts J20 to J26).

    Config:
        use_subprocess: Train in a process of its own instead of a thread; False as shipped.
        subprocess_start_method: ``fork``, ``forkserver`` or ``spawn``; ``spawn`` as shipped.
        retention_duration: How long a model is kept after the training's end, e.g. ``1d``.
    """

    name = TYPE
    JOB_WORD = "training"
    ID_WORD = "training_id"

    ModelFuture = TrainingFuture

    def __init__(self, config: Mapping[str, Any], instance_name: str) -> None:
        super().__init__(config, instance_name)
        self._use_subprocess = bool(config.get("use_subprocess", False))
        self._start_method = str(config.get("subprocess_start_method", "spawn"))

    def train(
        self,
        module_class: type[ModuleBase],
        *args: Any,
        save_path: str | None = None,
        save_with_id: bool = False,
        external_training_id: str | None = None,
        model_name: str | None = None,
        **kwargs: Any,
    ) -> TrainingFuture:
        """Start to train; returns at once.

        Args:
            module_class: The module.
            *args: For its ``train``.
            save_path: Where the model goes; nowhere if None. One that is new goes with retention.
            save_with_id: Save in a directory named by the id, which goes with the retention's end.
            external_training_id: An id of the caller's; a new one if None.
            model_name: The last part of the path.
            **kwargs: For its ``train``, too.

        Raises:
            ValueError: a training of that id has not ended, or an argument isn't accepted.
        """
        if self._use_subprocess:
            kwargs = {name: _Crossing.of(value) for name, value in kwargs.items()}
        make = functools.partial(
            TrainingFuture,
            self.instance_name,
            module_class,
            save_path,
            save_with_id,
            args=args,
            kwargs=kwargs,
            model_name=model_name,
            use_subprocess=self._use_subprocess,
            subprocess_start_method=self._start_method,
        )
        training_id = external_training_id or str(uuid.uuid4())
        return self.start_shown(lambda future_id: make(future_id=future_id), training_id)

    def get_model_future(self, training_id: str) -> TrainingFuture:
        """The training of that id (contracts J19, J24).

        Raises:
            CaikitCoreException: there is none, or its retention is over (``NOT_FOUND``).
        """
        return self.get_local_future(training_id)


class _Crossing:
    """A model on its way to another process: as its own bytes, since few can be pickled."""

    def __init__(self, model: ModuleBase) -> None:
        self.model = model

    @classmethod
    def of(cls, value: Any) -> Any:
        """The value, wrapped if it is a model."""
        return cls(value) if isinstance(value, ModuleBase) else value

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self.model.as_bytes(),)


def _load(data: bytes) -> _Crossing:
    return _Crossing(caikit.core.load(data))


def _open(value: Any) -> Any:
    return value.model if isinstance(value, _Crossing) else value
