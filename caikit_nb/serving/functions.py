"""Functions as models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from caikit_nb.errors import InvalidRequestError, ModelRefusedError
from caikit_nb.execution.annotations import signature_of
from caikit_nb.serving.models import Tensors, check_names
from caikit_nb.serving.results import as_arrays
from caikit_nb.serving.tensor_spec import TensorSpec

OUTPUT = "output"


class FunctionModel:
    """A function of arrays: by position if there is one of each, else by name.

    It returns an array, or a mapping of arrays by name, or a tuple of arrays. It refuses what
    it doesn't take by an `InvalidRequestError`; any other error of its is its own fault.

    Args:
        function: What to call.
    """

    platform = "python"

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._parameters = _parameters(function)
        named = [p for p in self._parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
        self._takes_any = len(named) != len(self._parameters)
        self._names = [p.name for p in named]
        self._needed = {p.name for p in named if p.default is inspect.Parameter.empty}
        self.inputs = tuple(
            TensorSpec(name, is_optional=name not in self._needed) for name in self._names
        )
        self.outputs: tuple[TensorSpec, ...] = ()

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """See `Model.predict`."""
        is_single = len(tensors) == 1 and len(self._needed) <= 1 and bool(self._names)
        if is_single and not set(tensors) <= set(self._names):
            tensors = {self._names[0]: next(iter(tensors.values()))}
        self._check(tensors)
        outputs = _named(self._function(**tensors))
        check_names("output", wanted, list(outputs))
        return {name: outputs[name] for name in wanted} if wanted else outputs

    def _check(self, tensors: Tensors) -> None:
        missing = sorted(self._needed - set(tensors))
        if missing:
            raise InvalidRequestError(f"the tensor {missing[0]!r} is missing")
        if not self._takes_any:
            check_names("input", tensors, self._names)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that can be given by name; one that takes any if they can't be told."""
    any_name = inspect.Parameter("tensors", inspect.Parameter.VAR_KEYWORD)
    try:
        found = list(signature_of(function).parameters.values())
    except (TypeError, ValueError):
        return [any_name]
    positional = [p.name for p in found if p.kind is inspect.Parameter.POSITIONAL_ONLY]
    if positional:
        raise ModelRefusedError(
            f"the parameter {positional[0]!r} must be one that can be given by its name"
        )
    named = [p for p in found if p.kind is not inspect.Parameter.VAR_POSITIONAL]
    if found and not named:
        raise ModelRefusedError(
            f"tensors are given by name: it needs a parameter with a name, and has *{found[0].name}"
        )
    return named


def _named(result: Any) -> dict[str, Any]:
    if isinstance(result, tuple):
        result = {f"{OUTPUT}_{n}": each for n, each in enumerate(result)}
    if not isinstance(result, Mapping):
        return as_arrays(OUTPUT, result)
    outputs: dict[str, Any] = {}
    for name, value in result.items():
        outputs |= as_arrays(str(name), value)
    return outputs
