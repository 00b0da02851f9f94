"""Whether pickling an object would run code of the user's own."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
from typing import Any

import numpy
import pandas
import pytest

from caikit_nb.execution.transfer import Store, Writer, open_memory_file
from caikit_nb.execution.user_code import pickling_code_of, refuse

ran: list[str] = []


class Plain:
    @property
    def score(self) -> int:
        ran.append("score")
        return 1


class WithState:
    def __getstate__(self) -> dict[str, object]:
        ran.append("state")
        return {}


class WithReduce:
    def __reduce__(self) -> tuple[object, ...]:
        ran.append("reduce")
        return int, ()


class WithReduceEx:
    def __reduce_ex__(self, protocol: Any) -> tuple[object, ...]:
        ran.append("reduce_ex")
        return int, ()


class WithArguments(tuple[object, ...]):
    __slots__ = ()

    def __getnewargs__(self) -> tuple[object, ...]:
        ran.append("newargs")
        return ()


class Lazy:
    def __getattr__(self, name: str) -> object:
        ran.append("getattr")
        raise AttributeError(name)


class Strict:
    def __getattribute__(self, name: str) -> object:
        ran.append("getattribute")
        return object.__getattribute__(self, name)


class Pretender:
    @property
    def __class__(self) -> Any:
        ran.append("class")
        return int


class Items(dict[str, int]):
    def items(self) -> Any:
        ran.append("items")
        return super().items()


class Walked(list[int]):
    def __iter__(self) -> Any:
        ran.append("iter")
        return super().__iter__()


class Inherits(WithState):
    pass


class Registered:
    pass


def take_apart(value: Registered) -> tuple[object, ...]:
    ran.append("table")
    return int, ()


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    x: int = 1


Point = collections.namedtuple("Point", "x y")
copyreg.pickle(Registered, take_apart)  # type: ignore[arg-type]

OWN = [
    WithState(), Inherits(), WithReduce(), WithReduceEx(), WithArguments(), Lazy(), Strict(),
    Pretender(), Items(a=1), Walked([1]), Registered(),
]  # fmt: skip
HARMLESS = [
    1, "text", [1], {"a": 1}, Plain(), Colour.RED, Data(), Point(1, 2), numpy.ones(3),
    pandas.DataFrame({"a": [1]}), datetime.date(2026, 1, 1), pathlib.Path("a"),
    decimal.Decimal(1), collections.OrderedDict(a=1), collections.Counter("a"),
    functools.partial(int, "1"), Plain, len,
]  # fmt: skip


@pytest.mark.parametrize("value", OWN, ids=lambda value: type(value).__name__)
def test_the_code_is_named_and_not_run(value: object) -> None:
    ran.clear()
    name = pickling_code_of(value)
    writer = Writer(fd := open_memory_file(), reduced=refuse, search_s=0.0)
    entry = writer.add("value", {"deep": [value]})
    Store(fd)
    assert not ran
    assert name.partition(".")[0] in {*(kind.__name__ for kind in type(value).mro()), "take_apart"}
    assert entry.error == f"'value' would be pickled by your own {name}, which is not run for it"


@pytest.mark.parametrize("value", HARMLESS, ids=lambda value: type(value).__name__)
def test_what_has_no_such_code_is_written(value: object) -> None:
    assert pickling_code_of(value) == ""
    writer = Writer(fd := open_memory_file(), reduced=refuse, search_s=0.0)
    entry = writer.add("value", {"deep": [value]})
    assert entry.error is None
    (read,) = Store(fd).load(entry)["deep"]
    assert type(read) is type(value)


def test_what_can_not_be_pickled_is_not_searched_through() -> None:
    ran.clear()
    writer = Writer(open_memory_file(), reduced=refuse, search_s=0.0)
    entry = writer.add("value", [numpy.ones(3), (i for i in "abc"), WithState()])
    assert entry.error is not None
    assert "'value' can't be pickled" in entry.error
    assert not ran
