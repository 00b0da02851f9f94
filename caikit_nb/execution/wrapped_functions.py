"""How `functools`' wrappers of a notebook's functions are pickled: by what they wrap.

pickle looks such a wrapper up by its name, as it does with a function, and doesn't find in another
process what was defined in a notebook.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

_CACHED = type(functools.lru_cache(abs))
_PARTS_OF_DISPATCH = {"register", "dispatch", "registry", "_clear_cache"}


def reduced(obj: Any) -> Any:
    """What pickle's ``reducer_override`` returns for a wrapper; NotImplemented for all else."""
    kind = type(obj)
    if kind is _CACHED and not is_importable(obj):
        return _cached, (obj.__wrapped__, obj.cache_parameters()), _own_attributes(obj, ())
    if kind is functools.cached_property:
        return functools.cached_property, (obj.func,), {"attrname": obj.attrname}
    if kind is FunctionType and _is_dispatched(obj) and not is_importable(obj):
        registry = dict(obj.registry)
        attributes = _own_attributes(obj, _PARTS_OF_DISPATCH)
        return _dispatched, (registry.pop(object), registry), attributes
    return NotImplemented


def _is_dispatched(function: FunctionType) -> bool:
    return vars(function).keys() >= _PARTS_OF_DISPATCH


def is_importable(obj: Any) -> bool:
    """Whether another process finds it by its name."""
    module_name = getattr(obj, "__module__", None)
    if module_name in (None, "__main__"):
        return False
    found: Any = sys.modules.get(module_name)
    own_name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", "")
    for name in str(own_name).split("."):
        found = getattr(found, name, None)
    return found is obj


def _own_attributes(obj: Any, without: Any) -> dict[str, Any] | None:
    own = {n: v for n, v in vars(obj).items() if n not in without and n != "__wrapped__"}
    own.pop("cache_parameters", None)
    return own or None


def _cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _dispatched(default: Callable[..., Any], registry: Mapping[type, Callable[..., Any]]) -> Any:
    wrapper = functools.singledispatch(default)
    for kind, function in registry.items():
        wrapper.register(kind, function)
    return wrapper
