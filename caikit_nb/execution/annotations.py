"""Annotations, which Python 3.14 and later work out when somebody asks for them.

Until then they may name what isn't there: a class that the notebook defines later, or a name that
is imported for type checkers only. Such annotations are taken as text, as if they had quotes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, ForwardRef

ARE_DEFERRED = sys.version_info >= (3, 14)

_COPIED = ("__kwdefaults__", "__qualname__", "__module__", "__doc__", "__type_params__")


def annotations_of(owner: type | FunctionType) -> dict[str, Any]:
    """Its own annotations; as text if one of them can't be worked out."""
    try:
        return owner.__annotations__
    except Exception:  # noqa: BLE001 - annotations are the user's own code
        return _text_of(owner)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Like ``inspect.signature``, whatever the annotations name."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.STRING)
    return inspect.signature(function)


def with_text(function: FunctionType) -> FunctionType | None:
    """A copy whose annotations are text; None if those of the function can be worked out."""
    try:
        function.__annotations__  # noqa: B018 - reading them is what works them out
    except Exception:  # noqa: BLE001 - annotations are the user's own code
        pass
    else:
        return None
    copy = FunctionType(
        *(function.__code__, function.__globals__, function.__name__),
        *(function.__defaults__, function.__closure__),
    )
    for name in _COPIED:
        setattr(copy, name, getattr(function, name))
    copy.__dict__.update(function.__dict__)
    copy.__annotations__ = _text_of(function)
    return copy


def reduce_reference(reference: ForwardRef) -> tuple[Any, ...]:
    """How a reference to what wasn't there yet is pickled: without the globals that it holds.

    A dataclass has one for each field whose type names the class itself.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        text = reference.evaluate(format=Format.STRING)
        known: Any = reference  # by mypy without its owner
        owner, is_class = known.__owner__, known.__forward_is_class__
        return _make_reference, (text, known.__forward_module__, owner, is_class)
    raise NotImplementedError


def _make_reference(text: str, module: Any, owner: Any, is_class: bool) -> ForwardRef:
    if sys.version_info >= (3, 14):
        return ForwardRef(text, module=module, owner=owner, is_class=is_class)
    return ForwardRef(text, module=module, is_class=is_class)


def _text_of(owner: type | FunctionType) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        try:
            return get_annotations(owner, format=Format.STRING)
        except Exception:  # noqa: BLE001 - annotations are the user's own code
            return {}  # they compute something, such as a division by zero
    raise NotImplementedError
