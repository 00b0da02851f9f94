"""How a server stands, as plain data that crosses processes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from caikit_nb.serving.statistics import Usage
from caikit_nb.serving.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from caikit_nb.serving.model_table import ModelTable

PICTURE = "picture"  # the kind of message that brings one


@dataclass(frozen=True, slots=True)
class ModelPicture:
    """A model of a server.

    Attributes:
        id: Its id.
        state: ``loading``, ``loaded`` or ``unloading``.
        source: The path it was loaded from; empty for an object.
        platform: What runs it; empty while it is loaded.
        size_bytes: What it holds; 0 while that isn't known.
        inputs: What it takes.
        usage: Its requests.
    """

    id: str
    state: str
    source: str
    platform: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class ServerPicture:
    """A server.

    Attributes:
        target: What clients connect to.
        models: Its models, oldest first.
        is_stopping: It takes no more requests.
    """

    target: str
    models: tuple[ModelPicture, ...]
    is_stopping: bool = False

    def to_message(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_message(cls, data: dict[str, Any]) -> Self:
        """From plain data, which may have been JSON in between."""
        models = tuple(_model(each) for each in data["models"])
        return cls(data["target"], models, data["is_stopping"])


def _model(data: dict[str, Any]) -> ModelPicture:
    inputs = tuple(TensorSpec(**{**each, "shape": tuple(each["shape"])}) for each in data["inputs"])
    usage = data["usage"] and Usage(
        **{**data["usage"], "latency_ms": tuple(data["usage"]["latency_ms"])}
    )
    return ModelPicture(**{**data, "inputs": inputs, "usage": usage})


def picture_of(table: ModelTable, target: str, *, is_stopping: bool = False) -> ServerPicture:
    """How a server stands now."""
    models = []
    for entry in table.entries():
        served = entry.served
        models.append(
            ModelPicture(
                entry.id,
                entry.state.value,
                entry.source.path,
                served.model.platform if served else "",
                served.size_bytes if served else 0,
                tuple(served.inputs) if served else (),
                served.statistics.usage() if served else None,
            )
        )
    return ServerPicture(target, tuple(models), is_stopping)
