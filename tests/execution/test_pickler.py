"""Code that crosses keeps its file and its lines, whatever cloudpickle makes of them."""

from __future__ import annotations

import functools
import io
import marshal
import pickle
import traceback
from collections import ChainMap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, ClassVar

import pytest

from caikit_nb.execution import parcel
from caikit_nb.execution.call import Call, SealedCall, run_function, seal
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.exception_pickler import pack, unpack
from caikit_nb.execution.pickler import Pickler, dumps
from caikit_nb.execution.transfer import Store, Writer, open_memory_file
from tests.execution.test_destroyable_process import ended, every_method

FILE = "/nowhere/In [7].py"
# A function of each kind, which divides by zero somewhere below.
SOURCE = """
import asyncio, contextlib, functools
def plain(x):
    return 1 / x
def calls_a_nested_one(x):
    def nested(y):
        return 1 / y
    return nested(x)
calls_a_lambda = lambda x: (lambda y: 1 / y)(x)
def comprehends(x):
    return {n: [1 / n for _ in range(3)] for n in (x, 1)}
def exhausts_an_expression(x):
    return sum(1 / n for n in (1, x))
def generate(x):
    yield 1
    yield 1 / x
def generates(x):
    return list(generate(x))
async def awaited(x):
    return 1 / x
def awaits(x):
    return asyncio.run(awaited(x))
def wraps(function):
    @functools.wraps(function)
    def wrapped(x):
        return function(x)
    return wrapped
decorated = wraps(plain)
partial = functools.partial(lambda y, x: 1 / x, 1)
def has_a_default(x, how=lambda y: 1 / y, *, other=lambda y: y):
    return how(other(x))
def closes(how):
    return lambda x: how(x)
closure = closes(lambda x: 1 / x)
@contextlib.contextmanager
def managed(x):
    yield 1 / x
def manages(x):
    with managed(x):
        pass
class Model:
    def __init__(self, x):
        self.x = x
    def fit(self):
        return 1 / self.x
    @staticmethod
    def helped(x):
        return 1 / x
    @classmethod
    def made(cls, x):
        return cls(x).fit()
    @property
    def score(self):
        return 1 / self.x
    class Inner:
        def __call__(self, x):
            return 1 / x
class Derived(Model):
    def fit(self):
        return super().fit()
class Trouble(Exception):
    def __str__(self):
        return str(1 / self.args[0])
calls_a_method = lambda x: Model(x).fit()
calls_a_static_method = lambda x: Model.helped(x)
calls_a_class_method = lambda x: Model.made(x)
calls_a_property = lambda x: Model(x).score
calls_an_inner_class = lambda x: Model.Inner()(x)
calls_an_inherited_method = lambda x: Derived(x).fit()
calls_an_exception = lambda x: str(Trouble(x))
"""
FUNCTIONS = [
    "plain", "calls_a_nested_one", "calls_a_lambda", "comprehends", "exhausts_an_expression",
    "generates", "awaits", "decorated", "partial", "has_a_default", "closure", "manages",
]  # fmt: skip
# A class that is here already stays as it is, so only another process tells about its methods.
OF_CLASSES = [
    "calls_a_method", "calls_a_static_method", "calls_a_class_method", "calls_a_property",
    "calls_an_inner_class", "calls_an_inherited_method", "calls_an_exception",
]  # fmt: skip
Places = list[tuple[str, int | None, str]]


@pytest.fixture
def written() -> dict[str, Any]:
    """What the source defines, in a module that can't be imported."""
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile(SOURCE, FILE, "exec", dont_inherit=True), namespace)
    return namespace


def as_a_value(value: Any) -> Any:
    fd = open_memory_file()
    entry = Writer(fd).add("value", value)
    return Store(fd).load(entry)


def as_an_input(value: Any) -> Any:
    fd = open_memory_file()
    return seal(Call(run_function, {"value": value}), fd).open(fd).inputs["value"]


def as_an_option(value: Any) -> Any:
    fd = open_memory_file()
    return seal(Call(run_function, {}, {"value": value}), fd).open(fd).options["value"]


def as_another_option(value: Any) -> Any:
    fd = open_memory_file()
    sealed = seal(Call(run_function), fd).with_options({"value": value})
    return sealed.open(fd).options["value"]


def in_a_parcel(value: Any) -> Any:
    """As for a cluster; a value of any kind takes the place of the options."""
    sealed = SealedCall(value, b"", ())
    around = Surroundings(environment=None, module_path=())
    call, _ = pickle.loads(parcel.pack(sealed, around))
    return call.runner


def in_an_exception(value: Any) -> Any:
    error = ValueError("it carries something")
    error.value = value  # type: ignore[attr-defined]
    return unpack(pickle.loads(pickle.dumps(pack(error)))).value  # type: ignore[attr-defined]


def by_itself(value: Any) -> Any:
    return pickle.loads(dumps(value))


WAYS = pytest.mark.parametrize(
    "way",
    [
        as_a_value,
        as_an_input,
        as_an_option,
        as_another_option,
        in_a_parcel,
        in_an_exception,
        by_itself,
    ],
    ids=lambda way: way.__name__,
)


def places_of_failure(function: Callable[[int], object]) -> Places:
    """File, line and name of each frame in the traceback."""
    try:
        function(0)
    except ZeroDivisionError as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
    return [(frame.filename, frame.lineno, frame.name) for frame in frames]


def places_of_failures(functions: dict[str, Callable[[int], object]]) -> dict[str, Places]:
    return {name: places_of_failure(function) for name, function in functions.items()}


def chosen(written: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: written[name] for name in names}


@WAYS
def test_a_traceback_names_the_same_files_and_lines(
    written: dict[str, Any], way: Callable[[Any], Any]
) -> None:
    functions = chosen(written, FUNCTIONS)
    copies = way(functions)
    assert not any(copies[name] is functions[name] for name in FUNCTIONS)
    expected = places_of_failures(functions)
    assert all(FILE in {file for file, *_ in places} for places in expected.values())
    assert places_of_failures(copies) == expected


@every_method
def test_so_does_that_of_a_job(written: dict[str, Any], method: str) -> None:
    functions = chosen(written, FUNCTIONS + OF_CLASSES)
    there = ended(method, places_of_failures, functions).get_or_throw()
    assert there == places_of_failures(functions)


@WAYS
def test_all_code_keeps_its_place(written: dict[str, Any], way: Callable[[Any], Any]) -> None:
    """Also such code as is never called."""
    functions = chosen(written, FUNCTIONS)
    expected = sorted(places_of_code(functions))
    assert {FILE} < {file for _, file, _ in expected}
    assert sorted(places_of_code(way(functions))) == expected


def places_of_code(value: Any, seen: set[int] | None = None) -> Iterator[tuple[str, str, int]]:
    """Name, file and first line of all code that can be reached from a value."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    below: list[Any] = []
    if isinstance(value, CodeType):
        yield value.co_qualname, value.co_filename, value.co_firstlineno
        below += value.co_consts
    elif isinstance(value, FunctionType):
        below += [value.__code__, value.__defaults__, value.__kwdefaults__]
        below += [cell.cell_contents for cell in value.__closure__ or ()]
        below += [value.__globals__.get(name) for name in value.__code__.co_names]
    elif isinstance(value, dict):
        below += value.values()
    elif isinstance(value, tuple):
        below += value
    elif isinstance(value, functools.partial):
        below.append(value.func)
    for part in below:
        yield from places_of_code(part, seen)


@WAYS
def test_a_code_object_keeps_its_place(way: Callable[[Any], Any]) -> None:
    code = compile(SOURCE, FILE, "exec", dont_inherit=True)
    copy = way({"code": code})["code"]
    assert copy == code
    assert list(places_of_code(copy)) == list(places_of_code(code))
    assert {file for _, file, _ in places_of_code(copy)} == {FILE}


def test_code_of_several_files_keeps_each() -> None:
    inner = compile("lambda: 1", "inner.py", "eval").co_consts[0]
    assert isinstance(inner, CodeType)
    outer = compile("lambda: 2", "outer.py", "eval")
    outer = outer.replace(co_consts=(inner, *outer.co_consts))
    files = [file for _, file, _ in places_of_code(by_itself(outer))]
    assert files == ["outer.py", "inner.py", "outer.py"]


def under_another_name(code: CodeType) -> CodeType:
    parts = (under_another_name(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename="<of another>", co_consts=tuple(parts))


def in_one_piece(code: CodeType) -> tuple[Any, ...]:
    return marshal.loads, (marshal.dumps(under_another_name(code)),)


class OfAnotherCloudpickle(Pickler):
    """One that no longer takes code apart, and names all of it otherwise."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: in_one_piece}, Pickler.dispatch_table)


def test_how_cloudpickle_writes_code_does_not_matter(written: dict[str, Any]) -> None:
    functions, file = chosen(written, FUNCTIONS), io.BytesIO()
    OfAnotherCloudpickle(file, protocol=5).dump(functions)
    assert b"<of another>" in file.getvalue()
    assert places_of_failures(pickle.loads(file.getvalue())) == places_of_failures(functions)


def test_the_same_function_twice_is_still_one(written: dict[str, Any]) -> None:
    plain = written["plain"]
    first, second, code = as_a_value([plain, plain, plain.__code__])
    assert first is second
    assert first.__code__ is code


def test_what_came_home_travels_on(written: dict[str, Any]) -> None:
    functions = chosen(written, FUNCTIONS)
    assert places_of_failures(by_itself(as_a_value(functions))) == places_of_failures(functions)


CLOSURES = """
def counter():
    count = 0
    def add():
        nonlocal count
        count += 1
    def get():
        return count
    return add, get
add, get = counter()
add()
def recursive():
    def factorial(n):
        return n * factorial(n - 1) if n else 1
    return factorial
def mutual():
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)
    return even
def unfilled():
    def early(): return late
    if False: late = 1
    return early
class Base:
    def name(self): return 'base'
class Derived(Base):
    def name(self): return super().name() + ' of derived'
    def kind(self): return __class__
"""


@WAYS
def test_functions_keep_their_common_variables(way: Callable[[Any], Any]) -> None:
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec(CLOSURES, names)
    copies = way(
        {
            "counter": (names["add"], names["get"]),
            "factorial": names["recursive"](),
            "even": names["mutual"](),
            "early": names["unfilled"](),
            "derived": names["Derived"](),
        }
    )
    add, get = copies["counter"]
    add()
    add()
    assert (get(), names["get"]()) == (3, 1)
    assert copies["factorial"](5) == 120
    assert copies["even"](10)
    assert not copies["even"](11)
    with pytest.raises(NameError):
        copies["early"]()
    assert copies["derived"].name() == "base of derived"
    assert copies["derived"].kind() is type(copies["derived"])
