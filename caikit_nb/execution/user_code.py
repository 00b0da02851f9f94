"""Which code of the user's own pickling an object would run.

Python's libraries and installed packages are trusted to pickle quickly and without effects. A
notebook's class may print, wait or write files in its `__getstate__`.
"""

from __future__ import annotations

import copyreg
import functools
import sysconfig
from collections.abc import Iterable
from types import FunctionType
from typing import Any

_ASKED = ("__getattribute__", "__class__", "__dict__")
# What pickle may call of an object: the names of its protocol, how it finds those, and how the
# items of a list or dict are had.
_HOOKS = (
    "__reduce_ex__",
    "__reduce__",
    "__getstate__",
    "__getnewargs_ex__",
    "__getnewargs__",
    "__getattr__",
    *_ASKED,
)
_HOOKS_OF_CONTAINERS = ("__iter__", "items")
_PACKAGES = ("site-packages", "dist-packages")


class RunsUserCodeError(Exception):
    """An object is pickled by code of the user's own, which wasn't run; its text names that."""


def module_of(kind: type) -> object:
    """The name of the module in which a class was made; its metaclass isn't asked."""
    return type.__getattribute__(kind, "__dict__").get("__module__")


def refuse(obj: object) -> Any:
    """As what a `ValuePickler` asks of each object: run none of the user's code.

    Raises:
        RunsUserCodeError: the object is pickled by such code.
    """
    if code := pickling_code_of(obj):
        raise RunsUserCodeError(code)
    return NotImplemented


def pickling_code_of(obj: object) -> str:
    """The user's own code that pickling this object runs: its name, or "" for none.

    Code in the object's parts is theirs. No code of the user's is run to find out.
    """
    kind = type(obj)
    reducer = copyreg.dispatch_table.get(kind)
    if reducer is not None:
        return reducer.__qualname__ if _is_users(reducer) else ""
    if issubclass(kind, type):
        return ""  # goes by its name, or as cloudpickle takes it apart
    names = _HOOKS + _HOOKS_OF_CONTAINERS if issubclass(kind, list | dict) else _HOOKS
    return _first_of_users(kind, names)


def asking_code_of(obj: object) -> str:
    """The user's own code that any look at an attribute of this object runs; "" for none."""
    return _first_of_users(type(obj), _ASKED)


def _first_of_users(kind: type, names: Iterable[str]) -> str:
    for name in names:
        function = _function(_looked_up(kind, name))
        if function is not None and _is_users(function):
            return function.__qualname__
    return ""


def _looked_up(kind: type, name: str) -> Any:
    for base in type.__dict__["__mro__"].__get__(kind):
        namespace = type.__dict__["__dict__"].__get__(base)
        if name in namespace:
            return namespace[name]
    return None


def _function(attribute: Any) -> FunctionType | None:
    if type(attribute) is property:
        attribute = attribute.fget
    elif type(attribute) in (staticmethod, classmethod):
        attribute = attribute.__func__
    return attribute if type(attribute) is FunctionType else None


def _is_users(function: Any) -> bool:
    if type(function) is not FunctionType:
        return False
    file = function.__code__.co_filename
    if file.startswith("<frozen "):
        return False
    parts = file.replace("\\", "/").split("/")
    return not file.startswith(_python()) and not any(name in parts for name in _PACKAGES)


@functools.cache
def _python() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return paths["stdlib"] + "/", paths["platstdlib"] + "/"
