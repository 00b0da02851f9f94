"""Which part of a value is named when it can't be pickled."""

from __future__ import annotations

import functools
import itertools
import sqlite3
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.execution import unpicklable
from caikit_nb.execution.unpicklable import explain_unpicklable
from tests.lazy import Lazy

pandas = Lazy("pandas")

LOCK = threading.Lock()
NO_LOCK = "cannot pickle '_thread.lock' object"


def explain(name: str, value: object) -> str:
    """What is said about a value after a real attempt to pickle it."""
    with pytest.raises(Exception) as caught:
        cloudpickle.dumps(value, protocol=5)
    return explain_unpicklable(name, value, caught.value, budget_s=60)


class Slotted:
    __slots__ = ("lock", "number")

    def __init__(self) -> None:
        self.number, self.lock = 1, LOCK


@dataclass(frozen=True, slots=True)
class Row:
    cells: list[object]


class OwnState:
    def __getstate__(self) -> dict[str, object]:
        return {"inner": LOCK}


class ListState:
    def __getstate__(self) -> list[object]:
        return [1, LOCK]


class Reduced:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Reduced, (LOCK,))


class Refusing:
    def __reduce__(self) -> tuple[Any, ...]:
        raise RuntimeError("not\n  this one")


def notebook_function(source: str, **names: object) -> Callable[..., Any]:
    """The function `f` of a cell."""
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    exec(source, namespace)
    return namespace["f"]  # type: ignore[no-any-return]


def pipeline() -> SimpleNamespace:
    return SimpleNamespace(steps=[SimpleNamespace(n=1), SimpleNamespace(n=2, lock=LOCK)])


def test_the_value_itself() -> None:
    """A value without parts is the culprit."""
    assert explain("guard", LOCK) == f"'guard' can't be pickled: it is a _thread.lock ({NO_LOCK})"


def test_an_attribute_of_an_element_of_an_attribute() -> None:
    """The line leads to the part as one would write it."""
    assert explain("pipeline", pipeline()) == (
        "'pipeline' can't be pickled: "
        f"its attribute pipeline.steps[1].lock is a _thread.lock ({NO_LOCK})"
    )


def test_a_result_has_no_name() -> None:
    """A job's result travels without a name."""
    assert explain("", [LOCK]).startswith("the result can't be pickled: its element result[0] is")


def generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([[], [[LOCK]]], "its element x[1][0][0]"),
        ({"a": {1: LOCK}}, "its element x['a'][1]"),
        ({(1, LOCK): 2}, "its element list(x)[0][1]"),
        ({LOCK: 2}, "its key list(x)[0]"),
        ({LOCK}, "its element list(x)[0]"),
        (frozenset({LOCK}), "its element list(x)[0]"),
        (deque([1, LOCK]), "its element x[1]"),
        (defaultdict(list, a=[LOCK]), "its element x['a'][0]"),
        (OrderedDict(a=LOCK), "its element x['a']"),
        (Slotted(), "its attribute x.lock"),
        (Row([LOCK]), "its element x.cells[0]"),
        (OwnState(), "its attribute x.inner"),
        (ListState(), "its part x.__getstate__()[1]"),
        (Reduced(), "its part x.__reduce__()[1][0]"),
        (ValueError("text", LOCK), "its element x.args[1]"),
        (functools.partial(print, LOCK), "its element x.args[0]"),
        (functools.partial(print, end=LOCK), "its element x.keywords['end']"),
        (OwnState().__getstate__, "its attribute x.__self__.inner"),
        (numpy.array([1, LOCK], dtype=object), "its element x[1]"),
        (numpy.array([[1, LOCK]], dtype=object), "its element x.flat[1]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_container_is_looked_into(value: object, found: str) -> None:
    """Containers, slots, states, reducers, arguments, arrays and tables lead to their parts."""
    expected = f"'x' can't be pickled: {found} is a _thread.lock ({NO_LOCK})"
    assert explain("x", value) == expected


def test_a_table_is_looked_into() -> None:
    """So is a data frame."""
    table = pandas.DataFrame({"a": [1, 2], "b": [1, LOCK]})
    test_each_kind_of_container_is_looked_into(table, "its element x['b'].iloc[1]")


def test_a_closure_variable() -> None:
    """A function is stopped by what it closes over."""

    def outer() -> Callable[[], object]:
        connection = sqlite3.connect(":memory:")
        opened.append(connection)
        return lambda: connection

    opened: list[sqlite3.Connection] = []
    line = explain("query", outer())
    opened[0].close()
    assert "the variable connection used by query() is a sqlite3.Connection" in line


def test_a_global_of_a_notebook_function() -> None:
    """A cell's function carries the globals it reads, so these can stop it."""
    function = notebook_function("def f():\n  def g(): return pool\n  return g", pool=LOCK)
    assert "the variable pool used by f() is a _thread.lock" in explain("f", function)


def test_a_part_of_a_global_of_a_function_in_an_attribute() -> None:
    """The way goes on through functions."""
    function = notebook_function("def f(): return state", state=[{"lock": LOCK}])
    line = explain("model", SimpleNamespace(hook=function))
    assert "its element state[0]['lock'] used by model.hook() is" in line


@pytest.mark.parametrize("source", ["def f(a, b=LOCK): ...", "def f(a, *, b=LOCK): ..."])
def test_a_parameters_default(source: str) -> None:
    """Defaults travel with the function."""
    function = notebook_function(source, LOCK=LOCK)
    assert "the default of the parameter b of f() is a _thread.lock" in explain("f", function)


def test_a_name_that_a_function_only_uses_as_an_attribute_is_not_blamed() -> None:
    """What isn't pickled isn't named."""
    function = notebook_function("def f(x): return x.lock, pool", lock=LOCK, pool=[LOCK])
    assert "pool[0] used by f()" in explain("f", function)


def test_an_attribute_of_the_class() -> None:
    """A class of the notebook travels by value, with its attributes and bases."""
    base: Any = type("Base", (), {"__module__": "__main__", "lock": LOCK})
    child: Any = type("Child", (base,), {"__module__": "__main__"})
    assert "its attribute Base.lock is a _thread.lock" in explain("model", child())
    assert "its attribute Base.lock is a _thread.lock" in explain("Child", child)


def test_a_value_that_refuses_by_itself() -> None:
    """Its own words are repeated on one line."""
    line = explain("x", [Refusing()])
    assert "its element x[0] is a" in line
    assert line.endswith(".Refusing (RuntimeError: not this one)")


def test_cycles_end() -> None:
    """A value that holds itself doesn't keep the search going."""
    value: dict[str, object] = {"first": 1}
    value["self"] = value
    value["parts"] = [value, LOCK]
    assert "its element x['parts'][1] is a _thread.lock" in explain("x", value)


def test_deep_nesting_is_named_as_such() -> None:
    """What is too deep to be pickled is too deep to be searched."""
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    # From Python 3.14 on it is the thread's stack that sets the limit, however large it may be.
    before = threading.stack_size(2**20)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert "it is nested too deeply" in pool.submit(explain, "x", value).result()
    finally:
        threading.stack_size(before)


def test_a_late_element_of_a_long_list() -> None:
    """Halving finds one of many."""
    assert "its element x[25000] is" in explain("x", [*range(25_000), LOCK, *range(100)])


def test_without_time_the_reason_is_still_given() -> None:
    """A search that can't be finished says no more than it knows."""
    line = explain_unpicklable("x", [LOCK], TypeError(NO_LOCK), budget_s=-1)
    assert line == f"'x' can't be pickled: {NO_LOCK}"


def test_a_search_that_runs_out_of_time_names_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The innermost part that was found is better than nothing."""
    ticks = itertools.count()
    monkeypatch.setattr(unpicklable, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    line = explain_unpicklable("x", [[[[[[LOCK]]]]]], TypeError("no"), budget_s=3)
    assert line == f"'x' can't be pickled: its element x[0][0] holds what stops it ({NO_LOCK})"


def test_an_error_without_a_text_gives_its_type() -> None:
    """Empty parentheses would tell nothing."""
    assert explain_unpicklable("x", 1, MemoryError()).endswith("(MemoryError)")


class Hostile:
    """Fails whatever it is asked, also with what is no Exception."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise SystemExit("repr")

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce_ex__(self, protocol: object) -> Any:
        raise SystemExit("reduce")


@pytest.mark.parametrize(
    "make",
    [Hostile, lambda: [Hostile()], lambda: {Hostile(): 1}, lambda: SimpleNamespace(a=Hostile())],
)
def test_a_hostile_value_gives_a_line(make: Callable[[], object]) -> None:
    """Nothing that the value's code raises gets through."""
    line = explain_unpicklable("x", make(), TypeError("no"))
    assert line.startswith("'x' can't be pickled: ")
    assert "\n" not in line


def test_an_interrupt_gets_through() -> None:
    """The user may stop the search."""

    class Interrupted:
        def __reduce__(self) -> tuple[Any, ...]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_unpicklable("x", [Interrupted()], TypeError("no"))


leaves = st.one_of(
    st.integers(),
    st.text(),
    st.just(LOCK),
    st.builds(Slotted),
    st.builds(Refusing),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.text(), inner),
        st.builds(lambda x: SimpleNamespace(a=x), inner),
        st.builds(lambda x: functools.partial(print, x), inner),
    ),
)


@given(st.text(), values)
def test_any_value_gives_one_line(name: str, value: object) -> None:
    """Whatever the value, the answer is one line."""
    line = explain_unpicklable(name, value, TypeError("no"))
    assert "can't be pickled: " in line
    assert len(line.splitlines()) == 1
