"""What an estimator was fitted with, as far as it shows: columns, and which of them are text."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caikit_nb.serving.boosters import categories_of

_TEXT = "text"
# Where estimators that contain others keep the one that sees the rows first.
_INNER = ("_preprocessor", "best_estimator_", "estimator_", "regressor_", "classifier_")
_LISTS = ("steps", "transformer_list", "estimators_", "calibrated_classifiers_")
_DEEPEST = 20
_BOOLS = ("bool", "bool_")  # of NumPy, from 2.0 on and before


@dataclass(frozen=True, slots=True)
class Features:
    """The columns of an estimator.

    Attributes:
        names: Their names; empty if it was fitted without.
        width: How many there are; None if it doesn't say.
        examples: A value that it knows, by position, of columns that aren't just any number.
        takes_documents: It takes a list of texts instead of rows.
    """

    names: tuple[str, ...] = ()
    width: int | None = None
    examples: Mapping[int, Any] = field(default_factory=dict)
    takes_documents: bool = False


def features_of(estimator: Any) -> Features:
    """What an estimator tells of its columns."""
    width = _number(_get(estimator, "n_features_in_"))
    given = _get(estimator, "feature_names_in_")
    names = [] if given is None else [str(name) for name in given]
    if not names:  # CatBoost's own, which numbers them if there are none
        known = _get(estimator, "feature_names_")
        names = [str(name) for name in known] if isinstance(known, list) else []
        width = len(names) or width  # of a CatBoost model that was pickled it says 0
        if names == [str(n) for n in range(len(names))]:
            names = []
    examples = _examples(estimator, names, _DEEPEST)
    takes_documents = width is None and not names and bool(examples)
    return Features(tuple(names), width or len(names) or None, examples, takes_documents)


def _get(thing: Any, name: str) -> Any:
    """An attribute; None if it can't be read: it may be computed, of what isn't fitted."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a library's own code
        return None


def _number(value: Any) -> int | None:
    with contextlib.suppress(TypeError, ValueError):
        return int(value) or None
    return None


def _examples(estimator: Any, names: Sequence[str], depth: int) -> dict[int, Any]:
    """By position, of what sees the rows first."""
    if depth == 0 or estimator is None:
        return {}
    if _get(estimator, "transformers_") is not None:
        return _of_columns(estimator, names, depth)
    if callable(_get(estimator, "build_analyzer")):  # a vectoriser of texts
        return {0: _TEXT}
    categories = _get(estimator, "categories_")
    if isinstance(categories, list):
        return {n: _plain(each[0]) for n, each in enumerate(categories) if len(each)}
    if callable(_get(estimator, "get_cat_feature_indices")):
        return dict.fromkeys(_catboost_texts(estimator), _TEXT)
    with contextlib.suppress(Exception):  # a library's own code
        if known := categories_of(estimator):
            return {n: _plain(each[0]) for n, each in known.items() if each}
    statistics = _get(estimator, "statistics_")
    if getattr(getattr(statistics, "dtype", None), "kind", "") == "O":
        return {n: each for n, each in enumerate(statistics) if isinstance(each, str)}
    inner = _inner(estimator)
    return {} if inner is None else _examples(inner, names, depth - 1)


def _inner(estimator: Any) -> Any:
    for name in _INNER:
        if (found := _get(estimator, name)) is not None:
            return found
    for name in _LISTS:
        for each in _get(estimator, name) or ():
            step = each[-1] if isinstance(each, tuple) else each
            if not isinstance(step, str):  # "passthrough"
                return _get(step, "estimator") if name == "calibrated_classifiers_" else step
    return None


def _of_columns(estimator: Any, names: Sequence[str], depth: int) -> dict[int, Any]:
    """Of a transformer that has others for some of its columns."""
    found: dict[int, Any] = {}
    for _, transformer, columns in estimator.transformers_:
        positions = _positions(columns, names, _number(_get(estimator, "n_features_in_")) or 0)
        for n, example in _examples(transformer, (), depth - 1).items():
            if n < len(positions):
                found.setdefault(positions[n], example)
    return found


def _positions(columns: Any, names: Sequence[str], width: int) -> list[int]:
    if isinstance(columns, str | int):
        columns = [columns]
    if isinstance(columns, slice):
        return list(range(width))[columns] if not isinstance(columns.start, str) else []
    try:
        given = list(columns)
    except TypeError:
        return []
    if given and all(isinstance(each, bool) or type(each).__name__ in _BOOLS for each in given):
        return [n for n, is_taken in enumerate(given) if is_taken]
    known = {name: n for n, name in enumerate(names)}
    found = [known.get(each, -1) if isinstance(each, str) else int(each) for each in given]
    return [n for n in found if n >= 0]


def _catboost_texts(estimator: Any) -> list[int]:
    with contextlib.suppress(Exception):
        return [*estimator.get_cat_feature_indices(), *estimator.get_text_feature_indices()]
    return []


def _plain(value: Any) -> Any:
    """A NumPy value as Python's own."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, str | bool | int | float) else _TEXT
