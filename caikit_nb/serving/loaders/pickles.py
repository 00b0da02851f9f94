"""Pickled models. Reading one runs code that is in it, whatever the file is called."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from caikit_nb.serving.loaders.base import Loader

# What most of its models are made of.
SKLEARN = (
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
)


class SklearnLoader(Loader):
    """scikit-learn's models as joblib or pickle writes them."""

    names = ("sklearn", "joblib", "pickle")
    suffixes = (".joblib", ".pkl", ".pickle")
    modules = SKLEARN

    def load(self, path: Path) -> Any:
        """See `Loader.load`."""
        try:
            import joblib
        except ModuleNotFoundError:
            return _unpickle(path)
        return joblib.load(path)


class CloudpickleLoader(Loader):
    """Objects and functions as cloudpickle writes them."""

    names = ("cloudpickle",)
    suffixes = (".cloudpickle",)

    def load(self, path: Path) -> Any:
        """See `Loader.load`."""
        return _unpickle(path)


def _unpickle(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - from trusted folders only
