"""The native models of xgboost and lightgbm, with the face of an estimator."""

from __future__ import annotations

import importlib
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
    """The categories of columns that lightgbm was fitted with as pandas' own, by position.

    It keeps them in the columns' order without saying which these are; that it has taken a column
    for a categorical one shows in what it notes of its values.
    """
    booster: Any = estimator._booster if isinstance(estimator, _LightgbmBooster) else None
    if type(estimator).__module__.partition(".")[0] == "lightgbm":
        booster = getattr(estimator, "booster_", None)
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
        return self._booster.predict(xgboost.DMatrix(rows, feature_names=names))


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
