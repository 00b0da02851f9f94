"""The native models of xgboost and lightgbm, with the face of an estimator."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any


def as_estimator(loaded: Any) -> Any:
    """A native booster as an estimator; anything else as it is."""
    for kind in type(loaded).__mro__:
        package = kind.__module__.partition(".")[0]
        if (package, kind.__name__) == ("xgboost", "Booster"):
            return _XgboostBooster(loaded)
        if (package, kind.__name__) == ("lightgbm", "Booster"):
            return _LightgbmBooster(loaded)
    return loaded


def categories_of(estimator: Any) -> dict[int, list[Any]]:
    """The categories of columns that it was fitted with as pandas' own, by position."""
    if isinstance(estimator, _XgboostBooster):
        return _of_xgboost(estimator._booster)
    if isinstance(estimator, _LightgbmBooster):
        return _of_lightgbm(estimator._booster)
    package = type(estimator).__module__.partition(".")[0]
    if package == "xgboost":
        with contextlib.suppress(AttributeError):  # it isn't fitted
            return _of_xgboost(estimator.get_booster())
    return _of_lightgbm(getattr(estimator, "booster_", None)) if package == "lightgbm" else {}


def _of_xgboost(booster: Any) -> dict[int, list[Any]]:
    """It keeps them from 3.1 on, and gives them out through pyarrow, or in its JSON."""
    if "c" not in (booster.feature_types or ()):
        return {}
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    gradient = learner["gradient_booster"]
    model = gradient.get("gbtree", gradient)["model"]  # that of dart is one step further in
    columns = enumerate(model.get("cats", {}).get("enc", ()))
    return {n: _read_categories(column) for n, column in columns if column["values"]}


def _read_categories(column: Mapping[str, Any]) -> list[Any]:
    values, offsets = column["values"], column.get("offsets")
    if not offsets:
        return list(values)
    text = bytes(value % 256 for value in values)
    return [text[start:end].decode() for start, end in pairwise(offsets)]


def _of_lightgbm(booster: Any) -> dict[int, list[Any]]:
    """It keeps them in the columns' order without saying which columns these are.

    That it has taken a column for a categorical one shows in what it notes of its values.
    """
    known = getattr(booster, "pandas_categorical", None)
    if not known:
        return {}
    header = booster.model_to_string(num_iteration=1)
    infos = header.partition("\nfeature_infos=")[2].partition("\n")[0].split(" ")
    columns = [n for n, info in enumerate(infos) if info != "none" and not info.startswith("[")]
    return dict(zip(columns, known, strict=True)) if len(columns) == len(known) else {}


class _XgboostBooster:
    """It predicts for its own kind of matrix only."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        self.feature_names_in_ = list(booster.feature_names or ())
        self.n_features_in_ = booster.num_features()

    def predict(self, rows: Any) -> Any:
        xgboost = importlib.import_module("xgboost")
        names = None if hasattr(rows, "columns") else self._booster.feature_names
        matrix = xgboost.DMatrix(rows, feature_names=names, enable_categorical=True)
        return self._booster.predict(matrix)


class _LightgbmBooster:
    """It has its columns' names, and made them up if it was fitted without."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        names = list(booster.feature_name())
        is_made_up = names == [f"Column_{n}" for n in range(len(names))]
        self.feature_names_in_ = [] if is_made_up else names
        self.n_features_in_ = booster.num_feature()

    def predict(self, rows: Any) -> Any:
        return self._booster.predict(rows)
