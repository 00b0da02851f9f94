"""The kinds of backends by name: ours, those registered, and those of installed packages.

``backend_types.LOCAL == "LOCAL"``; a package adds its own with an entry point of the group
``caikit_nb.backends``, which is imported the first time that a name isn't known without it.
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any

from caikit_nb.backends.base import BackendBase
from caikit_nb.errors import BackendError

__all__ = [
    "backend_class",
    "module_backend_classes",
    "module_backend_types",
    "register_backend_type",
]

logger = logging.getLogger(__name__)

ENTRY_POINTS = "caikit_nb.backends"

# Ours that need an extra of that name, imported when they are asked for.
_ENGINES = {
    "DASK": "caikit_nb.backends.dask_backend",
    "RAY": "caikit_nb.backends.ray_backend",
}

_classes: dict[str, type[BackendBase]] = {}
_loaded = False
_lock = threading.Lock()
# One of its own: a module that somebody else imports at this moment must be able to register.
_loading = threading.RLock()


class Names(dict[str, str]):
    """Names that are also attributes, each its own value."""

    def __getattr__(self, name: str) -> str:
        return _name(name)


def register_backend_type(cls: object) -> None:
    """Make a kind of backend known by its ``backend_type`` (contracts B8).

    Registering a class again does nothing.

    Raises:
        TypeError: `cls` is no subclass of `BackendBase`, or its ``backend_type`` no string.
        ValueError: its ``backend_type`` isn't upper case, or is another class's.
    """
    if not (isinstance(cls, type) and issubclass(cls, BackendBase)):
        raise TypeError(f"a subclass of BackendBase is needed, not {cls!r}")
    name: object = cls.backend_type
    if not isinstance(name, str):
        raise TypeError(
            f"{cls.__qualname__}.backend_type must be a string, not {type(name).__name__}"
        )
    if not name.isupper():
        raise ValueError(
            f"{cls.__qualname__}.backend_type must be upper case, e.g. MINE, not {name!r}"
        )
    with _lock:
        known = _classes.setdefault(name, cls)
    if known is not cls:
        raise ValueError(
            f"backend_type {name!r} of {_full_name(cls)} is taken by {_full_name(known)}"
        )


def backend_class(name: object) -> type[BackendBase]:
    """The class of that name, in upper or lower case.

    Raises:
        ValueError: there is none; names those that there are.
        BackendError: its optional packages are missing; says how to install them.
    """
    key = name.upper() if isinstance(name, str) else ""
    if key not in _classes and key in _ENGINES:
        _load_engine(key)
    if key not in _classes:
        _load_entry_points()
    if key not in _classes:
        known = ", ".join(sorted(_classes | _ENGINES)).lower()
        raise ValueError(f"{name!r} is not a backend: use one of {known}")
    return _classes[key]


def module_backend_types() -> Names:
    """All names, each its own value and an attribute (contracts B9)."""
    return Names({name: name for name in module_backend_classes()})


def module_backend_classes() -> dict[str, type[BackendBase]]:
    """All classes by name (contracts B9)."""
    _load_entry_points()
    with _lock:
        return dict(_classes)


def __getattr__(name: str) -> str:
    return _name(name)


class _NoSuchNameError(ValueError, AttributeError):
    """Also an AttributeError: pickle and others look every module through for a name."""


def _name(name: str) -> str:
    if name.startswith("__"):  # what Python itself looks for
        raise AttributeError(name)
    try:
        known: Any = backend_class(name).backend_type
    except ValueError as error:
        raise _NoSuchNameError(str(error)) from None
    if known != name:
        raise ValueError(f"{name!r} is not a backend's name: it is {known!r}")
    return name


def _load_engine(name: str) -> None:
    try:
        importlib.import_module(_ENGINES[name])
    except ImportError as error:
        extra = name.lower()
        raise BackendError(
            f'backend {extra!r} needs: pip install "caikit_nb[{extra}]" ({error})'
        ) from error


def _load_entry_points() -> None:
    global _loaded
    with _loading:
        if _loaded:
            return
        _loaded = True  # first: what is imported may ask for a name
        from importlib import metadata  # jobs' processes, which never come here, start without it

        for entry_point in metadata.entry_points(group=ENTRY_POINTS):
            try:
                register_backend_type(entry_point.load())
            except Exception:
                # One broken package must not take the other backends away.
                logger.warning(
                    "the backend %s of the entry point %s can't be used",
                    entry_point.name,
                    entry_point.value,
                    exc_info=True,
                )


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
