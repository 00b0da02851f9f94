"""The one way in which objects are pickled here: as cloudpickle does it, and code keeps its file.

A traceback finds a frame's lines, and a warning its place, by the file name of the code. Which
name cloudpickle gives to code that it pickles by value is its own affair: 3.1.3 writes
"<dynamic-code>" for all of it. So the name goes along beside whatever cloudpickle writes. This
rests on nothing but the protocol of ``pickle.Pickler``: `reducer_override`, `dispatch_table`, and
what they return.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import sys
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any, ForwardRef
from weakref import WeakSet

import cloudpickle

from caikit_nb.execution import typing_names, wrapped_functions
from caikit_nb.execution.annotations import (
    ARE_DEFERRED,
    annotations_of,
    reduce_reference,
    with_text,
)

# The classes that have gone from here by value, or have come so. Where one of them comes back,
# cloudpickle finds it again.
by_value: WeakSet[type] = WeakSet()

_WITH_STATE_SETTER = 6  # items of what `reducer_override` returns

# Looked up once: it is called for every object that isn't of a built-in type.
_by_cloudpickle = cloudpickle.Pickler.reducer_override


def make_known(kind: type) -> None:
    """Have an instance that comes back from a forked copy be one of this class.

    The class gets its identity by being reduced; what it leads to isn't pickled.
    """
    Pickler(io.BytesIO()).reducer_override(kind)


class _SharedCell:
    """A cell of a function's closure, empty in the pickle: the functions' states fill it."""

    def __init__(self, cell: CellType) -> None:
        self.cell = cell  # keeps its number from being another's

    def __reduce__(self) -> tuple[Any, ...]:
        return CellType, ()


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles functions and classes by value where they can't be imported, as cloudpickle does.

    To be read by ``pickle.loads`` where caikit_nb is installed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cells: dict[int, _SharedCell] = {}

    def reducer_override(self, obj: Any) -> Any:
        """How an object is pickled; NotImplemented for as pickle itself does it."""
        kind = type(obj)
        if kind is CodeType:
            return self._reduce_code(obj)
        if kind is ForwardRef and ARE_DEFERRED:
            return reduce_reference(obj)
        for by_name in (wrapped_functions, typing_names):
            reduced = by_name.reduced(obj)
            if reduced is not NotImplemented:
                return reduced
        if isinstance(obj, (type, FunctionType)):
            _load_module_of(obj)
        reduced = self._reduce(obj)
        if reduced is NotImplemented:
            return NotImplemented
        if isinstance(obj, FunctionType):
            return self.reduce_function(obj, reduced)
        if isinstance(obj, type) and len(reduced) == _WITH_STATE_SETTER:
            return self.reduce_class(obj, reduced)
        return reduced

    def reduce_function(self, function: FunctionType, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """How a function goes by value, given how cloudpickle would do it.

        cloudpickle gives each function cells of its own. Functions that count by a common
        ``nonlocal`` name would count apart.
        """
        if not function.__closure__:
            return reduced
        cells = tuple(
            self._cells.setdefault(id(cell), _SharedCell(cell)) for cell in function.__closure__
        )
        make, arguments, *rest = reduced
        return _make_function, (make, arguments, cells), *rest

    def reduce_class(self, kind: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """How a class goes by value, given how cloudpickle would do it."""
        by_value.add(kind)
        annotations = annotations_of(kind) if ARE_DEFERRED else None
        if not annotations:
            return reduced
        # cloudpickle drops those that nobody has asked for yet.
        make, arguments, state, elements, items, set_state = reduced
        return make, arguments, (set_state, state, annotations), elements, items, _set_class_state

    def _reduce(self, obj: Any) -> Any:
        try:
            return _by_cloudpickle(self, obj)
        except Exception:
            copy = with_text(obj) if isinstance(obj, FunctionType) else None
            if copy is None:
                raise
        return _by_cloudpickle(self, copy)

    def _reduce_code(self, code: CodeType) -> tuple[Any, ...]:
        reduced = _by_cloudpickle(self, code)
        if reduced is NotImplemented:
            reduced = self.dispatch_table[CodeType](code)
        make, arguments, *rest = reduced
        return _make_code, (make, arguments, code.co_filename), *rest


def _load_module_of(obj: Any) -> None:
    """Load it, as pickle does: cloudpickle takes what isn't loaded for what can't be imported.

    A package may name a module that nobody has loaded yet: ``np.recarray`` is of ``numpy.rec``.
    """
    name = getattr(obj, "__module__", None)
    if not isinstance(name, str) or name in sys.modules:
        return
    if name.partition(".")[0] in sys.modules:  # a module that nobody knows may do anything
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def dumps(
    value: object, *, buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None
) -> bytes:
    """Pickle a value with `Pickler`, in protocol 5.

    Args:
        value: What to pickle.
        buffer_callback: Takes the large buffers in it; None to have them in the pickle.

    Raises:
        Exception: whatever the value's own pickling code raises.
    """
    file = io.BytesIO()
    Pickler(file, protocol=5, buffer_callback=buffer_callback).dump(value)
    return file.getvalue()


def _set_class_state(
    kind: type, told: tuple[Callable[[type, object], object], object, dict[str, Any]]
) -> None:
    set_state, state, annotations = told
    set_state(kind, state)
    kind.__annotations__ = annotations


def _make_function(
    make: Callable[..., FunctionType], arguments: tuple[Any, ...], cells: tuple[CellType, ...]
) -> FunctionType:
    made = make(*arguments)
    return FunctionType(made.__code__, made.__globals__, made.__name__, made.__defaults__, cells)


def _make_code(
    make: Callable[..., CodeType], arguments: tuple[Any, ...], file_name: str
) -> CodeType:
    return _named(make(*arguments), file_name)


def _named(code: CodeType, file_name: str) -> CodeType:
    """The code, and the code in it that had the same other name, under this name."""
    other = code.co_filename
    if other == file_name:
        return code
    constants = tuple(
        _named(constant, file_name)
        if isinstance(constant, CodeType) and constant.co_filename == other
        else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=file_name, co_consts=constants)
