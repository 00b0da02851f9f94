"""What was loaded, or given, as a model."""

from __future__ import annotations

import inspect
import logging
import threading
import warnings
from typing import Any

from caikit_nb.errors import ModelRefusedError
from caikit_nb.serving.estimators import EstimatorModel
from caikit_nb.serving.functions import FunctionModel
from caikit_nb.serving.models import Model

logger = logging.getLogger(__name__)

_LEARNING_S = 3.0
_TORCH_MODULE = "torch.nn.modules.module.Module"
_NO_ANSWER = {
    "a coroutine function (async def)": inspect.iscoroutinefunction,
    "a generator function": inspect.isgeneratorfunction,
    "an asynchronous generator function": inspect.isasyncgenfunction,
}


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
        _check_answers_at_once(loaded)
        return FunctionModel(loaded)
    kind = type(loaded).__name__
    raise ModelRefusedError(f"a model has a method predict, or can be called; {kind} can not")


def _check_answers_at_once(function: Any) -> None:
    is_torch = any(f"{k.__module__}.{k.__name__}" == _TORCH_MODULE for k in type(function).__mro__)
    if is_torch:
        raise ModelRefusedError(
            "a module of torch takes tensors of its own: serve a function that converts its arrays,"
            " as lambda x: module(torch.from_numpy(x)).detach().numpy()"
        )
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    for kind, is_one in _NO_ANSWER.items():
        if is_one(inspect.unwrap(called)):
            raise ModelRefusedError(f"it is {kind}: serve a function that returns its arrays")


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
