"""What was loaded, or given, as a model."""

from __future__ import annotations

import inspect
import logging
import threading
import warnings

from caikit_nb.errors import ModelRefusedError
from caikit_nb.serving.estimators import EstimatorModel
from caikit_nb.serving.functions import FunctionModel
from caikit_nb.serving.models import Model

logger = logging.getLogger(__name__)

_LEARNING_S = 3.0


def as_model(loaded: object) -> Model:
    """What was loaded as a model.

    Raises:
        ModelRefusedError: it neither predicts nor can it be called.
    """
    if isinstance(loaded, Model) and not inspect.isclass(loaded):
        return loaded
    if callable(getattr(loaded, "predict", None)) or callable(getattr(loaded, "transform", None)):
        return EstimatorModel(loaded)
    if callable(loaded):
        return FunctionModel(loaded)
    kind = type(loaded).__name__
    raise ModelRefusedError(f"a model has a method predict, or can be called; {kind} can not")


def learn(model: Model) -> None:
    """Find out what a model's tensors look like, if it can tell; it may take its time further."""
    if not isinstance(model, EstimatorModel):
        return
    learning = threading.Thread(target=_learn, args=(model,), daemon=True, name="caikit_nb learn")
    learning.start()
    learning.join(_LEARNING_S)


def _learn(model: EstimatorModel) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an example is nobody's data
            model.learn()
    except Exception:
        logger.debug("what the model's tensors look like shows when it is asked", exc_info=True)
