"""Functions and classes of a notebook between processes that have them in common."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from caikit_nb.execution.call import Call, run_function, seal
from caikit_nb.execution.exception_pickler import pack, unpack
from caikit_nb.execution.transfer import Store, Writer, open_memory_file
from caikit_nb.execution.value_pickler import ValuePickler
from tests.execution.test_destroyable_process import ended, every_method

CLASSES = """
import abc, dataclasses, enum
rate = 1
class Plain:
    kind = "plain"
    def read(self):
        return rate
    @property
    def score(self):
        return rate
class Abstract(abc.ABC):
    @abc.abstractmethod
    def read(self): ...
class Concrete(Abstract):
    def read(self):
        return rate
class Colour(enum.Enum):
    RED = 1
    def read(self):
        return rate
@dataclasses.dataclass
class Data:
    x: int = 0
    def read(self):
        return rate
class Meta(type):
    def read(cls):
        return rate
class WithMeta(metaclass=Meta):
    def read(self):
        return rate
class Slotted:
    __slots__ = ("x",)
    def read(self):
        return rate
class Trouble(Exception):
    def read(self):
        return rate
plain, concrete, red, data, with_meta, slotted, trouble = (
    Plain(), Concrete(), Colour.RED, Data(), WithMeta(), Slotted(), Trouble("deep"))
"""
OBJECTS = ["plain", "concrete", "red", "data", "with_meta", "slotted", "trouble"]


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    """The namespace of ``__main__``; what a test adds to it is taken away again."""
    namespace = sys.modules["__main__"].__dict__
    before = dict(namespace)
    yield namespace
    for name in namespace.keys() - before.keys():
        del namespace[name]


def come_back(value: Any) -> Any:
    """As a job's result does."""
    fd = open_memory_file()
    entry = Writer(fd, shared=True).add("value", value)
    (copy,) = Store(fd).load_all([entry]).values()
    return copy


def arrive(value: Any) -> Any:
    """As an input does."""
    fd = open_memory_file()
    return seal(Call(run_function, {"value": value}), fd).open(fd).inputs["value"]


@pytest.mark.parametrize("name", OBJECTS)
def test_a_class_that_is_here_stays_as_it_is(notebook: dict[str, Any], name: str) -> None:
    exec(CLASSES, notebook)
    kind = type(notebook[name])
    before = {kind: dict(vars(kind)) for kind in (*kind.__mro__, type(kind))}
    copy = come_back(notebook[name])
    assert type(copy) is kind
    for each, own in before.items():
        assert [name for name in own if vars(each).get(name) is not own[name]] == []
    notebook["rate"] = 2
    assert copy.read() == notebook[name].read() == 2


def test_so_does_that_of_an_exception(notebook: dict[str, Any]) -> None:
    exec(CLASSES, notebook)
    own = vars(notebook["Trouble"])["read"]
    copy = unpack(pickle.loads(pickle.dumps(pack(notebook["trouble"]))))
    assert type(copy) is notebook["Trouble"]
    assert vars(notebook["Trouble"])["read"] is own


def read_all(objects: list[Any]) -> list[Any]:
    """In a job: use each object, and its class by itself."""
    kinds = [type(each) for each in objects]
    assert len({id(kind) for kind in kinds}) == len(objects)
    return [each.read() for each in objects] + [kind.__name__ for kind in kinds] + objects


@every_method
def test_where_a_class_is_not_yet_it_arrives_whole(notebook: dict[str, Any], method: str) -> None:
    exec(CLASSES, notebook)
    objects = [notebook[name] for name in OBJECTS]
    kinds = [type(each) for each in objects]
    for kind in kinds:
        come_back(kind)  # so that a fork knows it, as the notebook sees to
    result = ended(method, read_all, objects).get_or_throw()
    assert result[: 2 * len(objects)] == [1] * len(objects) + [kind.__name__ for kind in kinds]
    assert [type(each) for each in result[2 * len(objects) :]] == kinds


attempts: list[str] = []


class FailsAtFirst:
    """Can't be rebuilt at the first attempt."""

    def __reduce__(self) -> tuple[object, ...]:
        return rebuild, ()


def rebuild() -> str:
    attempts.append("one")
    if len(attempts) == 1:
        raise ImportError("not yet")
    return "rebuilt"


def read_twice(data: bytes) -> object:
    """In a job, where the class is unknown."""
    with pytest.raises(ImportError):
        pickle.loads(data)
    return pickle.loads(data).part


def test_a_class_that_failed_to_arrive_can_arrive_later() -> None:
    class Holding:
        part = FailsAtFirst()

    file = io.BytesIO()
    ValuePickler(file).dump(Holding)
    assert ended("spawn", read_twice, file.getvalue()).get_or_throw() == "rebuilt"


FUNCTIONS = """
count = 0
def increment():
    global count
    count += 1
    return count
def closed_over(step):
    def increase():
        global count
        count += step
        return count
    return increase
by_ten = closed_over(10)
def recursive(n, *, last=0):
    return last if n == 0 else recursive(n - 1) + recursive.step
recursive.step = 1
"""


def test_a_function_that_arrives_has_the_globals_of_main(notebook: dict[str, Any]) -> None:
    exec(FUNCTIONS, notebook)
    names = ["increment", "by_ten", "recursive"]
    sent = [notebook[name] for name in names]
    increment, by_ten, recursive = arrived = arrive(sent)
    assert not any(copy is function for copy, function in zip(arrived, sent, strict=True))
    assert all(copy.__globals__ is notebook for copy in arrived)
    notebook["count"] = 5  # arriving has set it to what it was
    assert [increment(), by_ten(), notebook["count"]] == [6, 16, 16]
    assert recursive(3) == 3
    for name, copy, function in zip(names, arrived, sent, strict=True):
        assert (copy.__name__, copy.__qualname__) == (function.__name__, function.__qualname__)
        assert copy.__kwdefaults__ == function.__kwdefaults__
        assert copy.__module__ == function.__module__ == "__main__", name


def test_a_function_that_comes_back_has_globals_of_its_own(notebook: dict[str, Any]) -> None:
    exec(FUNCTIONS, notebook)
    copy = come_back(notebook["increment"])
    assert copy.__globals__ is not notebook
    assert [copy(), copy(), notebook["count"]] == [1, 2, 0]


def test_functions_of_other_modules_keep_their_own_globals() -> None:
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(FUNCTIONS, namespace)
    first, second = arrive([namespace["increment"], namespace["by_ten"]])
    assert first.__globals__ is second.__globals__
    assert first.__globals__ is not sys.modules["__main__"].__dict__
    assert [first(), second()] == [1, 11]
