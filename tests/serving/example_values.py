"""Values for a model's inputs as a client would send them, by what the model says of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caikit_nb.serving.tensor_spec import TensorSpec

KINDS = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_}


def values_for(specs: Sequence[TensorSpec], rows: int) -> dict[str, Any]:
    """Arrays of some equal rows by name."""
    return {spec.name: _values(spec, rows) for spec in specs}


def _values(spec: TensorSpec, rows: int) -> Any:
    shape = (rows, *spec.shape[1:])
    if spec.datatype != "BYTES":
        return np.full(shape, 0 if spec.example is None else spec.example, KINDS[spec.datatype])
    example = np.array(spec.example or "any", object)
    texts = np.broadcast_to(example, shape).ravel()
    return np.array([text.encode() for text in texts], object).reshape(shape)
