"""A caikit job predictor whose predictions are jobs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caikit.core.exceptions.caikit_core_exception import (
    CaikitCoreException,
    CaikitCoreStatusCode,
)
from caikit.core.model_management.job_predictor_base import (
    JobPredictorBase,
    JobPredictorFutureBase,
)
from caikit.core.modules import ModuleBase

from caikit_nb.compat.caikit.futures import CaikitFuture
from caikit_nb.compat.caikit.job_owner import JobOwner
from caikit_nb.compat.caikit.names import TYPE
from caikit_nb.jobs.job_ids import make_job_id

RESULT_FILE = "result.bin"


class PredictionFuture(CaikitFuture):
    """A prediction in a thread (contracts J27, J28)."""

    def __init__(self, model: ModuleBase, method: str, **given: Any) -> None:
        self._model, self._method = model, method
        self._result_type: Any = None
        super().__init__(module_class=type(model), extra_path_args=[RESULT_FILE], **given)

    @property
    def _job_name(self) -> str:
        return f"{type(self._model).__name__}.{self._method}"

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Predict and save. In the job."""
        result = getattr(self._model, self._method)(*args, **kwargs)
        self._result_type = type(result)
        path = self._path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(result.to_binary_buffer())
        return None  # it is read from the file, as after a restart

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the prediction, then read its result, a data object.

        Raises:
            CaikitCoreException: it failed, or its retention is over (``NOT_FOUND``); the job's
                own error is its cause.
        """
        try:
            super().result(timeout)
            return self._result_type.from_binary_buffer(self._path().read_bytes())
        except TimeoutError:
            raise
        except Exception as error:
            raise CaikitCoreException(
                CaikitCoreStatusCode.NOT_FOUND, f"Prediction result for {self.id} is not found"
            ) from error

    def _path(self) -> Path:
        assert self.save_path is not None  # noqa: S101 - the predictor has a directory
        return Path(self.save_path)


JobPredictorFutureBase.register(PredictionFuture)


class JobPredictor(JobOwner[PredictionFuture], JobPredictorBase):
    """``type: CAIKIT_NB`` among caikit's job predictors (contracts J27 to J31).

    Config:
        result_dir: Where results are written; a temporary directory that lives as long as this
            if there is none.
        retention_duration: How long a result is kept after the prediction's end, e.g. ``1d``.
    """

    name = TYPE
    JOB_WORD = "prediction"

    def __init__(self, config: Mapping[str, Any], instance_name: str) -> None:
        super().__init__(config, instance_name)
        self._temporary: Any = None
        self._result_dir = config.get("result_dir")
        if not self._result_dir:
            self._temporary = tempfile.TemporaryDirectory(prefix="caikit_nb-predictions-")
            self._result_dir = self._temporary.name

    def predict(
        self,
        model_instance: ModuleBase,
        prediction_func_name: str,
        *args: Any,
        save_with_id: bool = True,
        external_prediction_id: str | None = None,
        **kwargs: Any,
    ) -> PredictionFuture:
        """Start to predict; returns at once.

        Args:
            model_instance: The model.
            prediction_func_name: Its method.
            *args: What the method gets.
            save_with_id: Write to a directory named by the id, which goes with the retention's end.
            external_prediction_id: An id of the caller's; a new one if None.
            **kwargs: What the method gets by name.

        Raises:
            ValueError: a prediction of that id has not ended, or the id is none.
        """

        def make(prediction_id: str) -> PredictionFuture:
            return PredictionFuture(
                model_instance,
                prediction_func_name,
                future_name=self.instance_name,
                save_path=self._result_dir,
                save_with_id=save_with_id,
                future_id=prediction_id,
                args=args,
                kwargs=kwargs,
            )

        return self.start_shown(make, external_prediction_id or make_job_id(self.instance_name))

    def get_prediction_future(self, future_id: str) -> PredictionFuture:
        """The prediction of that id, always the same object (contracts J31).

        Raises:
            CaikitCoreException: there is none, or its retention is over (``NOT_FOUND``).
        """
        return self.get_local_future(future_id)
