"""How what a notebook has made by `typing` is pickled: ``NewType``, ``ParamSpec`` and their like.

pickle looks them up by their names and doesn't find in another process what was made in a notebook.
Where one comes back, it is the notebook's own again.
"""

from __future__ import annotations

import contextlib
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, NewType, ParamSpec, TypeVarTuple

from caikit_nb.execution.wrapped_functions import is_importable

_Parts = tuple[tuple[Any, ...], dict[str, Any]]


def _parameters(obj: Any) -> _Parts:
    return (obj.__name__,), {
        "bound": obj.__bound__,
        "covariant": obj.__covariant__,
        "contravariant": obj.__contravariant__,
    }


_PARTS: Mapping[type, Callable[[Any], _Parts]] = {
    NewType: lambda obj: ((obj.__qualname__, obj.__supertype__), {}),
    ParamSpec: _parameters,
    TypeVarTuple: lambda obj: ((obj.__name__,), {}),
}
if sys.version_info >= (3, 12):
    _PARTS = {
        **_PARTS,
        typing.TypeAliasType: lambda obj: (
            (obj.__name__, obj.__value__),
            {"type_params": obj.__type_params__},
        ),
    }


def reduced(obj: Any) -> Any:
    """What pickle's ``reducer_override`` returns for one of them; NotImplemented for all else."""
    parts = _PARTS.get(type(obj))
    if parts is None or is_importable(obj):
        return NotImplemented
    return _made, (type(obj), obj.__module__, *parts(obj))


def _found(module_name: str, name: str) -> Any:
    return getattr(sys.modules.get(module_name), name, None)


def _made(
    kind: Any, module_name: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> Any:
    found = _found(module_name, str(arguments[0]).rpartition(".")[2])
    if type(found) is kind:
        return found
    made = kind(*arguments, **options)
    with contextlib.suppress(AttributeError, TypeError):  # where it can't be set
        made.__module__ = module_name
    return made
