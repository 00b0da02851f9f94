"""The format of a model, as ModelMesh and KServe's controller say it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from caikit_nb.serving.loaders.loader_types import AUTO

_NAME, _RUNTIME = "mt:", "rt:"


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What of a ``modelKey`` concerns us. Whatever else is in it, or wrong with it, is no matter.

    Attributes:
        model_type: The format's name; empty if it says none.
        disk_bytes: What the model has on disk, as whoever brought it says; 0 if nobody did.
    """

    model_type: str = ""
    disk_bytes: int = 0


def read_model_key(text: str) -> ModelKey:
    """Read a ``modelKey``: KServe's is a JSON object, ModelMesh itself takes any text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ModelKey()
    if not isinstance(found, dict):
        return ModelKey()
    model_type = found.get("model_type")
    if isinstance(model_type, dict):  # beside its version
        model_type = model_type.get("name")
    return ModelKey(
        model_type if isinstance(model_type, str) else "", _bytes(found.get("disk_size_bytes"))
    )


def model_type_of(model_type: str, model_key: ModelKey) -> str:
    """A loader's name, or ``auto``, which it is, too, if neither says anything.

    KServe's controller sends in ``modelType`` what the model needs of a runtime: ``mt:sklearn``,
    ``mt:sklearn:0|pv:grpc-v2``, or ``rt:my-runtime`` if it names one. The format itself is in the
    key, which therefore goes first, as with KServe's own adapters.
    """
    if model_key.model_type.strip():
        return _without_version(model_key.model_type)
    labels = [label.strip() for label in model_type.split("|")]
    for label in labels:
        if label.startswith(_NAME):
            return _without_version(label.removeprefix(_NAME)) or AUTO
    if any(label.startswith(_RUNTIME) for label in labels):
        return AUTO
    return _without_version(model_type) or AUTO


def _without_version(name: str) -> str:
    return name.partition(":")[0].strip().lower()


def _bytes(value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and math.isfinite(value) and value > 0 else 0
