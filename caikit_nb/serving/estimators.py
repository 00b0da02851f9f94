"""Estimators in the way of scikit-learn as models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from caikit_nb.errors import InvalidRequestError
from caikit_nb.serving.boosters import as_estimator, categories_of
from caikit_nb.serving.examples import example_tensors, outputs_of, type_of_value
from caikit_nb.serving.features import features_of
from caikit_nb.serving.models import Tensors, as_text, check_names
from caikit_nb.serving.results import as_arrays
from caikit_nb.serving.tensor_spec import TensorSpec

_METHODS = ("predict", "transform", "predict_proba", "predict_log_proba", "decision_function")
_PLATFORMS = ("xgboost", "lightgbm", "catboost")
_INPUT = "input"


class EstimatorModel:
    """An estimator: its methods are the outputs' names.

    One that tells how it was fitted can be asked for an example (`learn`), so that its tensors'
    types and shapes are known before the first request.

    Args:
        estimator: With ``predict`` or ``transform``; or a native booster of xgboost or lightgbm.
    """

    def __init__(self, estimator: Any) -> None:
        package = type(estimator).__module__.partition(".")[0]
        self.platform = package if package in _PLATFORMS else "sklearn"
        self._estimator = as_estimator(estimator)
        self._features = features_of(self._estimator)
        self._columns, self._width = list(self._features.names), self._features.width
        self._categories = categories_of(self._estimator)
        methods = [name for name in _METHODS if callable(getattr(self._estimator, name, None))]
        # Which method an output comes from: that of its name, unless it gives several.
        self._origins = {name: name for name in methods}
        self._usual = methods[0]
        self.inputs = self._guesses()[0]
        self.outputs = tuple(TensorSpec(name) for name in methods)

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """See `Model.predict`."""
        check_names("output", wanted, list(self._origins))
        rows = self._rows(tensors)
        names = wanted or [self._usual]
        outputs: dict[str, Any] = {}
        for method in dict.fromkeys(self._origins[name] for name in names):
            found = as_arrays(method, getattr(self._estimator, method)(rows))
            is_all = method in names
            outputs |= {name: each for name, each in found.items() if is_all or name in names}
        return outputs

    def learn(self) -> None:
        """Predict for an example, and note what comes of which type and shape.

        An estimator that doesn't tell its columns isn't asked: what it takes can't be guessed.
        """
        if self._width is None and not self._features.takes_documents:
            return
        for inputs in self._guesses():
            first = self._try(inputs, self._usual)
            if not first:
                continue
            outputs = {self._usual: first}
            for method in list(self._origins):
                if method != self._usual:
                    outputs[method] = self._try(inputs, method) or (TensorSpec(method),)
            known = {spec.name: name for name, specs in outputs.items() for spec in specs}
            self._origins = {**known, **self._origins}
            self.inputs = inputs
            self.outputs = tuple(spec for specs in outputs.values() for spec in specs)
            return

    def _try(self, inputs: Sequence[TensorSpec], method: str) -> tuple[TensorSpec, ...]:
        """The outputs of a method for an example; none if it doesn't take that."""
        try:
            answers = [self.predict(example_tensors(inputs, count), [method]) for count in (1, 2)]
        except Exception:  # noqa: BLE001 - the estimator's own code, which need not like it
            return ()
        return outputs_of(*answers)

    def _guesses(self) -> list[tuple[TensorSpec, ...]]:
        """What its inputs may be, the likeliest first."""
        if self._width is None:
            if self._features.takes_documents:
                return [(TensorSpec(_INPUT, "BYTES", (-1,), self._features.examples[0]),)]
            return [(TensorSpec(_INPUT, shape=(-1, -1)),)]
        examples = dict(self._features.examples)
        texts = dict.fromkeys(range(self._width), "text")
        guesses = [examples] if examples else []
        return [self._inputs(each) for each in (*guesses, {}, texts)]

    def _inputs(self, examples: Mapping[int, Any]) -> tuple[TensorSpec, ...]:
        if self._columns:
            values = [examples.get(n, 0.0) for n in range(len(self._columns))]
            return tuple(
                TensorSpec(name, type_of_value(value), (-1,), value)
                for name, value in zip(self._columns, values, strict=True)
            )
        width = self._width or 0
        if not examples:
            return (TensorSpec(_INPUT, "FP64", (-1, width)),)
        row = [examples.get(n, 0.0) for n in range(width)]
        if any(isinstance(value, str) for value in row):
            return (TensorSpec(_INPUT, "BYTES", (-1, width), [str(value) for value in row]),)
        return (TensorSpec(_INPUT, "FP64", (-1, width), [float(value) for value in row]),)

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

        frame = pd.DataFrame({name: as_text(values) for name, values in columns.items()})
        for at, categories in self._categories.items():
            name = self._columns[at]
            frame[name] = pd.Categorical(frame[name], categories=categories)
        return frame
