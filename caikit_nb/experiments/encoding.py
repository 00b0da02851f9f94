"""Hyperparameters and results as JSON texts, and back (contracts S8, S9).

NaN and the infinities are written as Python's ``json`` writes them, so that they survive. NumPy is
not imported here: a value of its kind can only be met where it is loaded already.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

from caikit_nb.errors import UnstorableValueError

JSON = Any
_DEEPEST = 100
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
# Of 4300 digits; see sys.set_int_max_str_digits.
_MOST_BITS = 14_000


def plain_values(values: object, what: str) -> dict[str, JSON]:
    """A mapping's copy of plain JSON values: NumPy's scalars and arrays become numbers and lists.

    Args:
        values: By name.
        what: What they are, for errors: ``hyperparameters`` or ``results``.

    Raises:
        UnstorableValueError: something in it isn't JSON; names its key.
    """
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        raise UnstorableValueError(what, f"they must be a mapping of names to values, not {kind}")
    copied: dict[str, JSON] = _plain(values, what, 0)
    return copied


def to_json(values: JSON) -> str:
    """The text that the database keeps."""
    return json.dumps(values, separators=(",", ":"))


def from_json(text: str) -> JSON:
    """The values of a text of `to_json`."""
    return json.loads(text)


def value_key(value: JSON) -> str:
    """A text that is the same for the same values: 1 and 1.0 are, and 1 and true are not."""
    return to_json(_with_whole_numbers(value))


def storable_text(text: str) -> str:
    """A text for a column of its own, where JSON's escapes don't help: no NUL, no half a pair."""
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def strict_json(value: JSON) -> JSON:
    """The value for readers who know no NaN: it and the infinities become their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, list):
        return [strict_json(item) for item in value]
    if isinstance(value, dict):
        return {key: strict_json(item) for key, item in value.items()}
    return value


def _with_whole_numbers(value: JSON) -> JSON:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_whole_numbers(value[key]) for key in sorted(value)}
    return value


def _plain(value: object, key: str, depth: int) -> JSON:
    if depth > _DEEPEST:
        raise UnstorableValueError(key, f"it is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _plain_number(value, key)
    if isinstance(value, Mapping):
        return {
            _checked_key(name, key): _plain(item, f"{key}[{name!r}]", depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, f"{key}[{i}]", depth + 1) for i, item in enumerate(value)]
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        return _plain_of_numpy(value, key, depth)
    raise UnstorableValueError(key, f"a {type(value).__name__} is not a JSON value")


def _plain_number(value: int | float, key: str) -> int | float:
    """Without the subclass: NumPy's float64 is a float, and an IntEnum an int."""
    if not isinstance(value, int):
        return float(value)
    if value.bit_length() > _MOST_BITS:
        raise UnstorableValueError(key, "it has more digits than Python writes and reads")
    return int(value)


def _plain_of_numpy(value: Any, key: str, depth: int) -> JSON:
    if value.dtype.kind not in "biufUO":
        raise UnstorableValueError(key, f"NumPy's {value.dtype} is not a JSON value")
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        value = value.astype("float64")
    return _plain(value.tolist(), key, depth + 1)


def _checked_key(name: object, key: str) -> str:
    if not isinstance(name, str):
        raise UnstorableValueError(f"{key}[{name!r}]", "its name must be a text")
    return str(name)
