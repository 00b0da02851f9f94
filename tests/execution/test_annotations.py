"""Annotations of functions and classes that cross, and what isn't there when they are made."""

from __future__ import annotations

import sys
import threading
from typing import Any, get_type_hints

import pytest

from caikit_nb.execution.annotations import ARE_DEFERRED, signature_of
from caikit_nb.execution.pickler import dumps
from caikit_nb.execution.unpicklable import explain_unpicklable
from tests.execution.test_destroyable_process import ended
from tests.execution.test_value_pickler import arrive, notebook

__all__ = ["notebook"]

KNOWN = """
import dataclasses, enum, typing
class Part: ...
def function(a: int, *, b: Part | None = None) -> list[Part]: ...
class Plain:
    a: int
    def method(self, b: Part) -> Part: ...
class Heir(Plain):
    c: Part
@dataclasses.dataclass
class Data:
    a: int
    b: Part | None = None
class Tuple(typing.NamedTuple):
    a: int
    b: Part
class Dict(typing.TypedDict):
    a: int
    b: Part
class Colour(enum.Enum):
    RED: int = 1
class Model(typing.Protocol):
    a: int
    def predict(self, x: Part) -> Part: ...
"""
ANNOTATED = ["function", "Plain", "Heir", "Data", "Tuple", "Dict", "Colour", "Model"]

UNKNOWN = """
import dataclasses
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import frames
def function(a: frames.Frame, b: int = 1, *rest, c: Later = 2, **more) -> Later:
    '''Its words.'''
    return (a, b, c)
function.tag = "kept"
def recursive(n: Later):
    return 0 if n == 0 else recursive(n - 1) + 1
def closed_over(step):
    def increase(x: Later = 1) -> Later:
        return x + step
    return increase
by_ten = closed_over(10)
class Plain:
    a: int
    b: frames.Frame
    def read(self, x: Later) -> Later:
        return x
@dataclasses.dataclass
class Node:
    value: int
    next: Node | None = None
    frame: frames.Frame | None = None
    def read(self, more: Node | None = None) -> list[Node]:
        return [self]
"""

if_deferred = pytest.mark.skipif(
    not ARE_DEFERRED, reason="before Python 3.14 such a definition is refused"
)


def define(source: str, namespace: dict[str, Any]) -> None:
    """Without the annotations being text, which is what this module's own would be."""
    exec(compile(source, "In [1]", "exec", dont_inherit=True), namespace)


def annotations_here(owners: list[Any]) -> dict[str, str]:
    """In a job: theirs, and those of the methods of those that have one."""
    shown = {}
    for owner in owners:
        methods = [vars(owner)[name] for name in ("method", "predict") if name in vars(owner)]
        for each in (owner, *methods):
            shown[each.__qualname__] = repr(each.__annotations__)
    return shown


def hints_here(owner: Any) -> list[str]:
    """In a job: what its annotations stand for."""
    return [*map(str, get_type_hints(owner).values())]


def test_annotations_cross(notebook: dict[str, Any]) -> None:
    define(KNOWN, notebook)
    owners = [notebook[name] for name in ANNOTATED]
    shown = ended("spawn", annotations_here, owners).get_or_throw()
    # Only now, as asking for them is what makes them.
    assert shown == annotations_here(owners)
    part = "<class '__main__.Part'>"
    assert "'b': __main__.Part | None" in shown["function"]
    assert shown["Plain"] == "{'a': <class 'int'>}"
    assert shown["Plain.method"] == f"{{'b': {part}, 'return': {part}}}"


def test_the_type_hints_of_a_class_are_known_where_it_arrives(notebook: dict[str, Any]) -> None:
    define(KNOWN, notebook)
    shown = ended("spawn", hints_here, notebook["Heir"]).get_or_throw()
    assert shown == ["<class 'int'>", "<class '__main__.Part'>"]


def use_all(objects: list[Any]) -> list[Any]:
    """In a job."""
    function, recursive, by_ten, plain, node = objects
    return [
        *(function(1), function.tag, function.__doc__, recursive(3), by_ten(), by_ten(2)),
        *(plain.read(5), node.read() == [node], node.next.value),
        *(function.__annotations__["a"], by_ten.__annotations__["return"]),
        *(plain.read.__annotations__["x"], type(plain).__annotations__["b"]),
        [field.type for field in node.__dataclass_fields__.values()][:1],
    ]


@if_deferred
def test_what_names_something_unknown_crosses_with_its_text(notebook: dict[str, Any]) -> None:
    define(UNKNOWN, notebook)
    node = notebook["Node"](1, notebook["Node"](2))
    objects = [notebook[name] for name in ("function", "recursive", "by_ten")]
    objects += [notebook["Plain"](), node]
    assert ended("spawn", use_all, objects).get_or_throw() == [
        *((1, 1, 2), "kept", "Its words.", 3, 11, 12),
        *(5, True, 2),
        *("frames.Frame", "Later"),
        *("Later", "frames.Frame"),
        [int],
    ]


def hints_of_node(node: Any) -> list[bool]:
    """In a job where `frames` is known."""
    kind = type(node)
    hints = get_type_hints(kind, localns={"frames": threading, "Frame": int})
    return [hints["next"] == kind | None]


@if_deferred
def test_a_class_that_names_itself_is_found_again_where_it_arrives(
    notebook: dict[str, Any],
) -> None:
    define(UNKNOWN.replace("frames.Frame | None", "int | None"), notebook)
    assert ended("spawn", hints_of_node, notebook["Node"](1)).get_or_throw() == [True]


@if_deferred
def test_the_original_stays_as_it_is(notebook: dict[str, Any]) -> None:
    define(UNKNOWN, notebook)
    function, plain = notebook["function"], notebook["Plain"]
    dumps([function, plain])
    notebook["frames"], notebook["Later"] = threading, int
    threading.Frame = str  # type: ignore[attr-defined]
    try:
        assert function.__annotations__ == {"a": str, "b": int, "c": int, "return": int}
        assert plain.__annotations__ == {"a": int, "b": str}
    finally:
        del threading.Frame  # type: ignore[attr-defined]


@if_deferred
def test_it_finds_the_globals_of_main_like_any_function(notebook: dict[str, Any]) -> None:
    define(UNKNOWN, notebook)
    (copy,) = arrive([notebook["recursive"]])
    assert copy.__globals__ is notebook
    assert copy(2) == 2


@if_deferred
def test_it_is_looked_into_for_what_can_not_be_pickled(notebook: dict[str, Any]) -> None:
    define(UNKNOWN, notebook)
    function = notebook["function"]
    function.lock = threading.Lock()
    with pytest.raises(TypeError) as caught:
        dumps(function)
    told = explain_unpicklable("function", function, caught.value, budget_s=60)
    assert "its attribute function.lock is a _thread.lock" in told


@if_deferred
def test_annotations_that_are_no_text_either_are_left_out(notebook: dict[str, Any]) -> None:
    define("def f(a: 1 / 0): return a", notebook)
    (copy,) = arrive([notebook["f"]])
    assert (copy(3), copy.__annotations__) == (3, {})


def test_a_signature_is_known_whatever_the_annotations_name(notebook: dict[str, Any]) -> None:
    define(KNOWN, notebook)
    assert list(signature_of(notebook["function"]).parameters) == ["a", "b"]
    if ARE_DEFERRED:
        define(UNKNOWN, notebook)
        parameters = signature_of(notebook["function"]).parameters
        assert list(parameters) == ["a", "b", "rest", "c", "more"]
        assert [parameters[name].default for name in ("b", "c")] == [1, 2]


def test_they_are_deferred_from_python_3_14_on() -> None:
    assert (sys.version_info >= (3, 14)) is ARE_DEFERRED
