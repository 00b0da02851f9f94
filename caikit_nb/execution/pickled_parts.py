"""The parts that go into a value's pickle, each with the expression that leads to it."""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any

from caikit_nb.execution.annotations import annotations_of
from caikit_nb.execution.global_names import global_names
from caikit_nb.execution.pickler import Pickler
from caikit_nb.execution.short_repr import short_repr

_BOOKKEEPING = frozenset({"__dict__", "__weakref__"})


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value.

    Attributes:
        role: What it is to the whole, such as "its attribute".
        expression: How to get at it, such as ``model.steps[1]``.
        value: The part itself.
        user: The function that holds the expression's first name, if it isn't the whole.
    """

    role: str
    expression: str
    value: Any
    user: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.expression}{self.user}"

    def kind_of_value(self) -> str:
        """The value's type with an article; for a class, its name."""
        kind = type(self.value)
        if isinstance(self.value, type):
            return f"the class {type_name(self.value)}"
        name = type_name(kind)
        return f"{'an' if name.lstrip('_')[:1].lower() in 'aeiou' else 'a'} {name}"

    def attribute(self, name: object, value: object) -> Part:
        """The part reached by an attribute of this one."""
        return Part("its attribute", f"{self.expression}.{name}", value, self.user)

    def element(self, key: str, value: object) -> Part:
        """The part reached by an index or key, given as source, of this one."""
        return Part("its element", f"{self.expression}[{key}]", value, self.user)

    def variable(self, name: str, value: object) -> Part:
        """A variable that this function uses."""
        return Part("the variable", name, value, f" used by {self.expression}(){self.user}")


def type_name(kind: type) -> str:
    """A type's name with its module; those of builtins and of the notebook without."""
    module = kind.__module__
    is_plain = module in ("builtins", "__main__")
    return kind.__qualname__ if is_plain else f"{module}.{kind.__qualname__}"


def pickled_parts(part: Part) -> Iterator[Part]:
    """The parts one step below.

    Raises:
        Exception: whatever the value's own pickling code raises.
    """
    special = _SPECIAL_PARTS.get(type(part.value))
    if special is None and isinstance(part.value, type):
        special = _class_parts
    return (special or _table_parts_function(part.value) or _reduced_parts)(part)


def _sequence_parts(part: Part) -> Iterator[Part]:
    return (part.element(str(i), value) for i, value in enumerate(part.value))


def _set_parts(part: Part) -> Iterator[Part]:
    for i, value in enumerate(part.value):
        yield Part("its element", f"list({part.expression})[{i}]", value, part.user)


def _mapping_parts(part: Part) -> Iterator[Part]:
    return _item_parts(part, part.value.items())


def _item_parts(part: Part, items: Iterable[tuple[object, object]]) -> Iterator[Part]:
    for i, (key, value) in enumerate(items):
        yield part.element(short_repr(key, 30), value)
        yield Part("its key", f"list({part.expression})[{i}]", key, part.user)


def _function_parts(part: Part) -> Iterator[Part]:
    function = part.value
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield part.variable(name, cell.cell_contents)
        except ValueError:  # a cell that isn't filled yet
            continue
    for name in sorted(global_names(code).reads & function.__globals__.keys()):
        yield part.variable(name, function.__globals__[name])
    parameters = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    named = dict(zip(reversed(parameters), reversed(defaults), strict=False))
    for name, value in (named | (function.__kwdefaults__ or {})).items():
        user = f" of {part.expression}(){part.user}"
        yield Part("the default of the parameter", name, value, user)
    yield from _attribute_parts(part, vars(function))
    yield part.attribute("__annotations__", annotations_of(function))


def _method_parts(part: Part) -> Iterator[Part]:
    yield part.attribute("__self__", part.value.__self__)
    yield part.attribute("__func__", part.value.__func__)


def _class_parts(part: Part) -> Iterator[Part]:
    for base in part.value.__bases__:
        yield Part("its base class", base.__qualname__, base)
    yield from _attribute_parts(part, vars(part.value))


def _attribute_parts(part: Part, attributes: Mapping[str, object]) -> Iterator[Part]:
    for name, value in attributes.items():
        if name not in _BOOKKEEPING:
            yield part.attribute(name, value)


def _reduced_parts(part: Part) -> Iterator[Part]:
    """The parts of any other object: what its own way of being pickled hands over."""
    table = getattr(Pickler, "dispatch_table", copyreg.dispatch_table)
    reducer = table.get(type(part.value))
    reduced = reducer(part.value) if reducer else part.value.__reduce_ex__(5)
    if not isinstance(reduced, tuple):
        return
    function, arguments, state, elements, items = (*reduced, None, None, None)[:5]
    if isinstance(part.value, BaseException):
        yield part.attribute("args", part.value.args)
    yield from _state_parts(part, state)
    yield from (part.element(str(i), value) for i, value in enumerate(elements or ()))
    yield from _item_parts(part, items or ())
    yield _named_part(part, "__reduce__()[0]", function)
    for i, value in enumerate(arguments):
        yield _named_part(part, f"__reduce__()[1][{i}]", value)


def _state_parts(part: Part, state: Any) -> Iterator[Part]:
    # Where there are slots, the state is a pair: __dict__ or None, and the slots' values.
    pair = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    halves = [half for half in pair if half is not None]
    if all(isinstance(half, dict) for half in halves):
        yield from chain.from_iterable(_attribute_parts(part, half) for half in halves)
    elif isinstance(state, list | tuple):
        for i, value in enumerate(state):
            yield _named_part(part, f"__getstate__()[{i}]", value)
    else:
        yield _named_part(part, "__getstate__()", state)


def _named_part(part: Part, call: str, value: object) -> Part:
    """A part that is handed over without a name: by its attribute's name where it has one."""
    if value is type(part.value):
        return Part("its class", type(part.value).__qualname__, value)
    for name, attribute in _stored_attributes(part.value):
        if attribute is value:
            return part.attribute(name, value)
    return Part("its part", f"{part.expression}.{call}", value, part.user)


def _stored_attributes(value: object) -> Iterator[tuple[str, object]]:
    """Attributes with a place of their own: reading them runs no code of the value's class."""
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        for name, descriptor in vars(kind).items():
            if isinstance(descriptor, MemberDescriptorType) and hasattr(value, name):
                yield name, descriptor.__get__(value)


def _table_parts_function(value: object) -> Callable[[Part], Iterator[Part]] | None:
    """How to look into tables of objects, whose pickles are laid out in blocks."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype == object:
        return _array_parts
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return _frame_parts
    if pandas is not None and isinstance(value, pandas.Series) and value.dtype == object:
        return _series_parts
    return None


def _array_parts(part: Part) -> Iterator[Part]:
    prefix = part.expression if part.value.ndim == 1 else f"{part.expression}.flat"
    for i, value in enumerate(part.value.flat):
        yield Part("its element", f"{prefix}[{i}]", value, part.user)


def _frame_parts(part: Part) -> Iterator[Part]:
    return (part.element(short_repr(label, 30), column) for label, column in part.value.items())


def _series_parts(part: Part) -> Iterator[Part]:
    for i, value in enumerate(part.value.array):
        yield Part("its element", f"{part.expression}.iloc[{i}]", value, part.user)


_SPECIAL_PARTS: dict[type, Callable[[Part], Iterator[Part]]] = {
    list: _sequence_parts,
    tuple: _sequence_parts,
    dict: _mapping_parts,
    set: _set_parts,
    frozenset: _set_parts,
    FunctionType: _function_parts,
    MethodType: _method_parts,
}
