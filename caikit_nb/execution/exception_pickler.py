"""Exceptions across processes: the object with its chain where it can be rebuilt, else its text.

Pickle alone loses causes, notes set late and tracebacks, and fails on local classes and on
constructors that check their arguments. Here every exception of the chain is packed on its own,
tried out where it is packed, and replaced by a `PickleFailureFallbackException` that carries the
original type's name and text if it can't be rebuilt.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import pickle
import traceback
from dataclasses import dataclass, field
from typing import Any

from caikit_nb.errors import RemoteTraceback
from caikit_nb.execution.value_pickler import ValuePickler

_SHORT_BYTES = 1000
_SHORT_CHARACTERS = 300


_REMADE = "_made_without_its_constructor"


class _FallbackType(type):
    """Counts those, too, that keep their own class but were made without its constructor."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or hasattr(instance, _REMADE)


class PickleFailureFallbackException(Exception, metaclass=_FallbackType):
    """Stands for an exception that can't be rebuilt; its text is the original's (contracts P25).

    Attributes:
        original_type: The original's qualified class name, if known.
    """

    original_type: str = ""


@dataclass(frozen=True, slots=True)
class PackedNode:
    """One exception of a chain; `cause` and `context` are indices into the chain, None for none."""

    type_name: str
    text: str
    pickled: bytes | None
    cause: int | None
    context: int | None
    suppress_context: bool


@dataclass(frozen=True, slots=True)
class PackedError:
    """An exception as it travels.

    Attributes:
        nodes: The chain, the exception itself first.
        traceback: What Python prints for it where it was raised.
        rendered: The traceback's lines as a notebook shows them, coloured; empty if not rendered.
    """

    nodes: tuple[PackedNode, ...]
    traceback: str
    rendered: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> str:
        """Type and text in one line."""
        node = self.nodes[0]
        lines = node.text.splitlines()
        return f"{node.type_name.rpartition('.')[2]}: {lines[0]}" if lines else node.type_name

    def short(self) -> PackedError:
        """The same without its traceback and its chain, and of a long text the beginning."""
        first = self.nodes[0]
        pickled = first.pickled if first.pickled and len(first.pickled) <= _SHORT_BYTES else None
        text = first.text[:_SHORT_CHARACTERS]
        node = PackedNode(first.type_name, text, pickled, None, None, first.suppress_context)
        return PackedError((node,), self.headline[:_SHORT_CHARACTERS])


def pack(error: BaseException, rendered: tuple[str, ...] = ()) -> PackedError:
    """Pack an exception with its chain of causes and contexts."""
    chain = _chain(error)
    index = {id(item): at for at, item in enumerate(chain)}
    nodes = tuple(
        PackedNode(
            type_name=_type_name(item),
            text=text_of(item),
            pickled=_pickled(item),
            cause=index.get(id(item.__cause__)),
            context=index.get(id(item.__context__)),
            suppress_context=item.__suppress_context__,
        )
        for item in chain
    )
    return PackedError(nodes, _formatted(error), rendered)


def unpack(packed: PackedError) -> BaseException:
    """Rebuild the exception, its chain, and the remote traceback as the chain's last cause."""
    errors = [_rebuilt(node) for node in packed.nodes]
    for node, error in zip(packed.nodes, errors, strict=True):
        error.__cause__ = None if node.cause is None else errors[node.cause]
        error.__context__ = None if node.context is None else errors[node.context]
        error.__suppress_context__ = node.suppress_context
    _show_remote_traceback(errors[0], packed)
    return errors[0]


class ExceptionPickler:
    """Wraps an exception so that pickling it keeps type, text and chain (contracts P24, P25).

    Raises:
        TypeError: unless it is given an ``Exception``.
    """

    def __init__(self, exception: Exception) -> None:
        if not isinstance(exception, Exception):
            raise TypeError(f"an Exception is needed, not {type(exception).__name__}")
        self._exception = exception

    def get(self) -> Exception:
        """The exception."""
        return self._exception

    def __getstate__(self) -> PackedError:
        return pack(self._exception)

    def __setstate__(self, packed: PackedError) -> None:
        error = unpack(packed)
        assert isinstance(error, Exception)  # noqa: S101 - it was one when it was packed
        self._exception = error


class Rendering:
    """Gives IPython the job's own traceback for an exception that came home."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines

    def __call__(self) -> list[str]:
        """The lines that IPython prints (its ``_render_traceback_`` protocol)."""
        return list(self.lines)


def show_as(error: BaseException, lines: tuple[str, ...]) -> None:
    """Have IPython show `error` with these lines as its traceback."""
    with contextlib.suppress(AttributeError, TypeError):  # a class without a __dict__
        error._render_traceback_ = Rendering(lines)  # type: ignore[attr-defined]


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        item = waiting.pop(0)
        if item is None or any(item is seen for seen in found):
            continue
        found.append(item)
        waiting += [item.__cause__, item.__context__]
    return found


def _pickled(error: BaseException) -> bytes | None:
    """The exception alone, by the first way that gives back its type and text."""
    for form in (_as_group, _as_itself, _as_parts):
        try:
            data = form(error)
            copy = pickle.loads(data)  # noqa: S301 - made in the line above
            if type(copy).__qualname__ == type(error).__qualname__ and text_of(copy) == text_of(
                error
            ):
                return data
        except Exception:  # noqa: BLE001 - the user's own __reduce__ and __init__ run here
            continue
    return None


class _Pickler(ValuePickler):
    """Pickles exceptions by their own ``__reduce__``, also where tblib is at work.

    It comes with ``distributed`` and has every exception pickled with its causes and traceback,
    which travel on their own here, and without what only some classes have, as an exit status.
    """

    def reducer_override(self, obj: Any) -> Any:
        reducer = copyreg.dispatch_table.get(type(obj))
        if isinstance(obj, BaseException) and _is_of_tblib(reducer):
            return obj.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
        return super().reducer_override(obj)


def _is_of_tblib(reducer: object) -> bool:
    return str(getattr(reducer, "__module__", "")).partition(".")[0] == "tblib"


def _dumps(value: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def _as_itself(error: BaseException) -> bytes:
    return _dumps(error)


def _as_parts(error: BaseException) -> bytes:
    return _dumps(_Parts(type(error), error.args, dict(error.__dict__)))


def _as_group(error: BaseException) -> bytes:
    if not isinstance(error, BaseExceptionGroup):
        raise TypeError("not a group")
    members = [pack(member) for member in error.exceptions]
    parts = _Parts(type(error), error.message, members, dict(error.__dict__))
    parts.make = _group_from_parts
    return _dumps(parts)


def _group_from_parts(
    kind: Any, message: str, members: list[PackedError], state: dict[str, object]
) -> BaseException:
    group: BaseException = kind(message, [unpack(member) for member in members])
    group.__dict__.update(state)
    return group


class _Parts:
    """Unpickles as an exception that is made without calling its constructor."""

    def __init__(self, *parts: object) -> None:
        self.make: Any = _from_parts
        self.parts = parts

    def __reduce__(self) -> tuple[object, ...]:
        return self.make, self.parts


def _from_parts(
    kind: type[BaseException], args: tuple[object, ...], state: dict[str, object]
) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    setattr(error, _REMADE, True)
    return error


def _rebuilt(node: PackedNode) -> BaseException:
    if node.pickled is not None:
        try:
            error = pickle.loads(node.pickled)  # noqa: S301 - written by our own child
        except Exception:  # noqa: BLE001 - a class that only the child could import
            error = None
        if isinstance(error, BaseException):
            return error
    fallback = PickleFailureFallbackException(node.text)
    fallback.original_type = node.type_name
    fallback.add_note(f"in the job this was a {node.type_name}, which can't be rebuilt here")
    return fallback


def _show_remote_traceback(error: BaseException, packed: PackedError) -> None:
    if packed.rendered:
        show_as(error, packed.rendered)
    last, seen = error, {id(error)}
    while (deeper := _shown_before(last)) is not None and id(deeper) not in seen:
        seen.add(id(deeper))
        last = deeper
    if last.__cause__ is None:
        last.__cause__ = RemoteTraceback(packed.traceback)


def _shown_before(error: BaseException) -> BaseException | None:
    """The exception that Python prints above this one."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """``str(error)``, also where that fails."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - the user's own __str__
        return f"<its __str__ failed: {broken!r}>"


def _formatted(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip()
    except Exception:  # noqa: BLE001 - the user's own __str__
        return f"{_type_name(error)}: {text_of(error)}"
