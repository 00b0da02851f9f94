"""Examples of tensors, and what tensors tell of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from caikit_nb.serving.models import Tensors
from caikit_nb.serving.tensor_spec import TensorSpec
from caikit_nb.serving.tensors import datatype_of, dtype_of

_TEXT = "text"


def type_of_value(value: object) -> str:
    """The datatype of a plain value."""
    if isinstance(value, str):
        return "BYTES"
    if isinstance(value, bool):
        return "BOOL"
    return "INT64" if isinstance(value, int) else "FP64"


def example_tensors(specs: Sequence[TensorSpec], rows: int) -> Tensors:
    """Tensors as a client sends them, of some equal rows."""
    return {spec.name: _example(spec, rows) for spec in specs}


def _example(spec: TensorSpec, rows: int) -> Any:
    shape = (rows, *spec.shape[1:])
    is_text = spec.datatype == "BYTES"
    row = (_TEXT if is_text else 0) if spec.example is None else spec.example
    if not is_text:
        return np.broadcast_to(np.array(row, dtype_of(spec.datatype)), shape).copy()
    flat = np.array([each.encode() for each in np.ravel(np.array(row, object))], object)
    return np.broadcast_to(flat if len(shape) > 1 else flat[0], shape).astype(object)


def outputs_of(one: Tensors, two: Tensors) -> tuple[TensorSpec, ...]:
    """What outputs look like, by the answers for one row and for two."""
    specs = []
    for name, array in one.items():
        other = two.get(name)
        if other is None or other.ndim != array.ndim:
            specs.append(TensorSpec(name))
            continue
        pairs = zip(array.shape, other.shape, strict=True)
        shape = tuple(length if length == again else -1 for length, again in pairs)
        specs.append(TensorSpec(name, datatype_of(array), shape))
    return tuple(specs)


def spec_of(name: str, array: Any) -> TensorSpec:
    """What a tensor looks like; others like it may have more rows, or fewer."""
    return TensorSpec(name, datatype_of(array), (-1, *array.shape[1:]) if array.ndim else ())


def common(one: TensorSpec, other: TensorSpec) -> TensorSpec:
    """What holds of both."""
    datatype = one.datatype if one.datatype == other.datatype else ""
    if len(one.shape) != len(other.shape):
        return TensorSpec(one.name, datatype, (-1,))
    pairs = zip(one.shape, other.shape, strict=True)
    shape = tuple(length if length == again else -1 for length, again in pairs)
    return TensorSpec(one.name, datatype, shape)


class SeenTensors:
    """What tensors of answered requests looked like. Used by several threads.

    Args:
        declared: Gives what the model says of them, which it may learn only later.
    """

    def __init__(self, declared: Callable[[], Sequence[TensorSpec]]) -> None:
        self._declared = declared
        self._seen: Mapping[str, TensorSpec] = {}

    def add(self, tensors: Tensors) -> None:
        """Look at those of a request."""
        names = [spec.name for spec in self._declared()]
        found = dict(self._seen)
        for name, array in tensors.items():
            # A model that takes one tensor takes it under any name.
            known = names[0] if len(tensors) == 1 and names and name not in names else name
            spec = spec_of(known, array)
            found[known] = common(found[known], spec) if known in found else spec
        if found != self._seen:
            self._seen = found

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """What is declared, and for what that leaves open, what was seen."""
        seen, declared = self._seen, self._declared()
        if not declared:
            return tuple(seen.values())
        return tuple(
            spec if spec.datatype or spec.name not in seen else _filled(spec, seen[spec.name])
            for spec in declared
        )


def _filled(declared: TensorSpec, seen: TensorSpec) -> TensorSpec:
    return TensorSpec(
        declared.name, seen.datatype, seen.shape, declared.example, declared.is_optional
    )
