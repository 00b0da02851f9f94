"""What models and functions return, as arrays that can be sent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caikit_nb.errors import PredictionError


def as_arrays(name: str, value: Any) -> dict[str, Any]:
    """A result as arrays by name.

    It is one of that name, unless it can't be: a table whose columns differ in kind is one array
    for each column, by its name, and arrays of several shapes are ``name_0``, ``name_1``, ….

    Args:
        name: What it is called.
        value: The result.

    Raises:
        PredictionError: it is nothing of the kind.
    """
    if value is None:
        raise PredictionError(f"{name!r} is None, and not an array")
    if _is_mixed_table(value):
        return {str(column): as_array(str(column), value[column]) for column in value.columns}
    if isinstance(value, list | tuple) and _are_arrays_of_several_shapes(value):
        return {f"{name}_{n}": as_array(f"{name}_{n}", each) for n, each in enumerate(value)}
    return {name: as_array(name, value)}


def as_array(name: str, value: Any) -> Any:
    """A value as one array: of numbers, of booleans, or of objects, each text or bytes.

    Raises:
        PredictionError: it is no array.
    """
    try:
        array = np.asarray(_dense(value))
        if array.dtype.kind == "T":  # NumPy's text of variable width
            return array.astype(object)
        return _unboxed(array) if array.dtype == object else array
    except (ValueError, TypeError, RuntimeError) as error:  # rows of several lengths, …
        raise PredictionError(f"{name!r} is no array: {error}") from error


def _is_mixed_table(value: Any) -> bool:
    """A data frame, of pandas or in its way, whose columns don't go into one array."""
    if not (hasattr(value, "columns") and hasattr(value, "dtypes") and hasattr(value, "shape")):
        return False
    return len({_kind(value[column]) for column in value.columns}) > 1


def _kind(column: Any) -> str:
    kind = as_array("column", column).dtype.kind
    return "number" if kind in "biuf" else str(kind)


def _are_arrays_of_several_shapes(values: Any) -> bool:
    shapes = {getattr(each, "shape", None) for each in values}
    return len(shapes) > 1 and None not in shapes


def _dense(value: Any) -> Any:
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray()
    if hasattr(value, "detach"):  # a tensor of torch
        return value.detach().cpu()
    return value


def _unboxed(array: Any) -> Any:
    """Numbers that are kept as objects, as numbers: pandas and lists give such."""
    values = array.ravel().tolist()
    if all(isinstance(each, str | bytes) for each in values):
        return array
    plain = np.array([math.nan if _is_missing(each) else each for each in values])
    return plain.reshape(array.shape) if plain.dtype.kind in "biuf" else array


def _is_missing(value: object) -> bool:
    return value is None or type(value).__name__ == "NAType"
