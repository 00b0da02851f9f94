"""What can be asked for a prediction: estimators and functions, as one kind of thing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from caikit_nb.errors import InvalidRequestError, ModelRefusedError, PredictionError
from caikit_nb.execution.annotations import signature_of

Tensors = Mapping[str, Any]
"""NumPy arrays by name; text is an array of objects, each bytes."""

OUTPUT = "output"
_METHODS = ("predict", "transform", "predict_proba", "predict_log_proba", "decision_function")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a tensor of a model looks like.

    Attributes:
        name: Its name.
        datatype: As the protocol names it, such as FP32; empty if any will do.
        shape: Its lengths; -1 for any length, empty if that isn't known.
    """

    name: str
    datatype: str = ""
    shape: tuple[int, ...] = ()


@runtime_checkable
class Model(Protocol):
    """A loaded model. It is called from several threads."""

    @property
    def platform(self) -> str:
        """What runs it."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What it takes."""

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What it gives; empty if that shows only when it is asked."""

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """The outputs of these names; the usual ones if none is named.

        Raises:
            InvalidRequestError: the tensors aren't those that the model takes.
        """


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


class EstimatorModel:
    """An estimator in the way of scikit-learn: its methods are the outputs' names.

    Args:
        estimator: With ``predict`` or ``transform``.
    """

    platform = "sklearn"

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._columns = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
        self._width: int | None = getattr(estimator, "n_features_in_", None)
        self._methods = [name for name in _METHODS if callable(getattr(estimator, name, None))]
        shape = (-1, -1 if self._width is None else int(self._width))
        self.inputs = (TensorSpec("input", "FP64", shape),)
        self.outputs = tuple(TensorSpec(name) for name in self._methods)

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """See `Model.predict`."""
        check_names("output", wanted, self._methods)
        rows = self._rows(tensors)
        names = wanted or self._methods[:1]
        return {name: getattr(self._estimator, name)(rows) for name in names}

    def _rows(self, tensors: Tensors) -> Any:
        if self._columns and set(tensors) == set(self._columns):
            return self._frame({name: np.ravel(tensors[name]) for name in self._columns})
        if len(tensors) != 1:
            by_name = f", or one for each of {', '.join(self._columns)}" if self._columns else ""
            raise InvalidRequestError(f"one tensor is needed{by_name}; {len(tensors)} were sent")
        (rows,) = tensors.values()
        if self._width is None:
            return as_text(rows)
        if rows.ndim != 2 or rows.shape[1] != self._width:
            raise InvalidRequestError(
                f"the tensor must have the shape [rows, {self._width}], not {list(rows.shape)}"
            )
        if self._columns:
            return self._frame(dict(zip(self._columns, rows.T, strict=True)))
        return as_text(rows)

    def _frame(self, columns: Mapping[str, Any]) -> Any:
        """A table with names, as the estimator was fitted with."""
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise InvalidRequestError("the columns must have one length")
        import pandas as pd

        return pd.DataFrame({name: as_text(values) for name, values in columns.items()})


class FunctionModel:
    """A function of arrays: by position if there is one of each, else by name.

    It returns an array, or a mapping of arrays by name, or a tuple of arrays.

    Args:
        function: What to call.
    """

    platform = "python"

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._parameters = _parameters(function)
        named = [p for p in self._parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
        self._takes_any = len(named) != len(self._parameters)
        self._names = [p.name for p in named]
        self._needed = {p.name for p in named if p.default is inspect.Parameter.empty}
        self.inputs = tuple(TensorSpec(name) for name in self._names)
        self.outputs: tuple[TensorSpec, ...] = ()

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """See `Model.predict`."""
        is_single = len(tensors) == 1 and len(self._needed) <= 1 and bool(self._names)
        if is_single and not set(tensors) <= set(self._names):
            tensors = {self._names[0]: next(iter(tensors.values()))}
        self._check(tensors)
        outputs = _named(self._function(**tensors))
        check_names("output", wanted, list(outputs))
        return {name: outputs[name] for name in wanted} if wanted else outputs

    def _check(self, tensors: Tensors) -> None:
        missing = sorted(self._needed - set(tensors))
        if missing:
            raise InvalidRequestError(f"the tensor {missing[0]!r} is missing")
        if not self._takes_any:
            check_names("input", tensors, self._names)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that can be given by name; one that takes any if they can't be told."""
    any_name = inspect.Parameter("tensors", inspect.Parameter.VAR_KEYWORD)
    try:
        found = list(signature_of(function).parameters.values())
    except (TypeError, ValueError):
        return [any_name]
    positional = [p.name for p in found if p.kind is inspect.Parameter.POSITIONAL_ONLY]
    if positional:
        raise ModelRefusedError(
            f"the parameter {positional[0]!r} must be one that can be given by its name"
        )
    return [p for p in found if p.kind is not inspect.Parameter.VAR_POSITIONAL]


def _named(result: Any) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return {str(name): _array(str(name), value) for name, value in result.items()}
    if isinstance(result, tuple):
        return {f"{OUTPUT}_{n}": _array(f"{OUTPUT}_{n}", each) for n, each in enumerate(result)}
    if result is None:
        raise PredictionError("the function returned None, and not an array")
    return {OUTPUT: _array(OUTPUT, result)}


def _array(name: str, value: Any) -> Any:
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of several lengths; the fault is the function's
        raise PredictionError(f"the function's {name!r} is no array: {error}") from error


def check_names(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse names that a model doesn't have.

    Args:
        what: What is named, in a word.
        given: By the client.
        known: Those that there are.

    Raises:
        InvalidRequestError: one isn't known; names those that are.
    """
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidRequestError(f"there is no {what} {name!r}: the {what}s are {names}")


def as_text(values: Any) -> Any:
    """An array of bytes objects as one of text; another array as it is.

    Raises:
        InvalidRequestError: a text isn't UTF-8.
    """
    if values.dtype != object:
        return values
    try:
        decoded = [each.decode("utf-8") for each in values.flat]
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"a text is not UTF-8: {error.reason}") from None
    return np.array(decoded, object).reshape(values.shape)
