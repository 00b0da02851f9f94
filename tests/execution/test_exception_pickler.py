"""Exceptions across processes (contracts P15, P16, P24, P25)."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import traceback

import pytest

from caikit_nb.errors import RemoteTraceback
from caikit_nb.execution.exception_pickler import (
    ExceptionPickler,
    PickleFailureFallbackException,
    pack,
    unpack,
)


class WithName(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"it is called {name}")
        self.name = name


class WithPrivateName(Exception):
    def __init__(self, name: str, other: int) -> None:
        super().__init__(f"{name}, {other}")
        self._name, self._other = name, other


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


class Validating(Exception):
    def __init__(self, number: int) -> None:
        if not isinstance(number, int):
            raise TypeError("a number is needed")
        super().__init__(f"number {number}")


class Unrebuildable(Exception):
    def __init__(self, first: object, second: object) -> None:
        super().__init__("cannot be rebuilt")
        self.kept = lambda: first

    def __reduce__(self) -> tuple[object, ...]:
        return Unrebuildable, ("only one",)


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def travelled(error: BaseException) -> BaseException:
    return unpack(pickle.loads(pickle.dumps(pack(raised(error)))))


LOCAL = type("Local", (ValueError,), {"__module__": __name__, "__qualname__": "f.<locals>.Local"})

ORDINARY = [
    ValueError("plain"),
    KeyError("key"),
    OSError(2, "No such file", "a.txt"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    SystemExit("bad data path"),
    KeyboardInterrupt(),
    WithName("n"),
    WithPrivateName("n", 3),
    KeywordOnly(code=42),
    Validating(3),
    LOCAL("local"),
    StopIteration(3),
]


@pytest.mark.parametrize("error", ORDINARY, ids=lambda e: type(e).__name__)
def test_type_and_text_survive(error: BaseException) -> None:
    copy = travelled(error)
    assert type(copy).__qualname__ == type(error).__qualname__
    assert str(copy) == str(error)
    assert copy.args == error.args


def test_an_os_error_keeps_its_number_and_file() -> None:
    copy = travelled(FileNotFoundError(2, "No such file", "a.txt"))
    assert isinstance(copy, FileNotFoundError)
    assert (copy.errno, copy.filename) == (2, "a.txt")


def test_attributes_set_later_survive() -> None:
    error = ValueError("x")
    error.code = 7  # type: ignore[attr-defined]
    assert travelled(error).code == 7  # type: ignore[attr-defined]


def test_attributes_survive_where_the_constructor_can_not_be_called() -> None:
    error = KeywordOnly(code=42)
    error.code = 7  # type: ignore[attr-defined]
    assert travelled(error).code == 7  # type: ignore[attr-defined]


def test_notes_survive() -> None:
    error = ValueError("x")
    error.add_note("in fold 3")
    assert travelled(error).__notes__ == ["in fold 3"]


def _chained() -> BaseException:
    try:
        try:
            try:
                try:
                    raise KeyError("a")
                except KeyError as first:
                    raise WithName("b") from first
            except WithName:
                raise KeywordOnly(code=3)  # noqa: B904 - a context is wanted
        except KeywordOnly as third:
            raise ValueError("d") from third
    except ValueError as last:
        return last


def test_a_chain_of_causes_and_contexts_survives() -> None:
    copy = unpack(pack(_chained()))
    kinds = [type(copy), type(copy.__cause__)]
    assert copy.__cause__ is not None
    deeper = copy.__cause__.__context__
    assert deeper is not None
    assert [*kinds, type(deeper), type(deeper.__cause__)] == [
        ValueError,
        KeywordOnly,
        WithName,
        KeyError,
    ]


def test_a_printed_chain_says_direct_cause() -> None:
    text = "".join(traceback.format_exception(unpack(pack(_chained()))))
    assert "The above exception was the direct cause" in text
    assert "During handling of the above exception" in text


def _from_none() -> BaseException:
    try:
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("clean message") from None
    except ValueError as error:
        return error


def test_from_none_is_kept() -> None:
    copy = unpack(pack(_from_none()))
    assert copy.__suppress_context__
    assert isinstance(copy.__context__, KeyError)


def test_from_none_hides_the_context_and_shows_the_remote_traceback() -> None:
    text = "".join(traceback.format_exception(unpack(pack(_from_none()))))
    assert "in _from_none" in text
    assert "inner" not in text


def test_the_remote_traceback_is_the_last_cause() -> None:
    copy = travelled(ValueError("x"))
    assert isinstance(copy.__cause__, RemoteTraceback)
    assert "in raised" in str(copy.__cause__)


def test_a_timeout_caused_by_a_cancellation_survives() -> None:
    async def late() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(late())
    copy = unpack(pack(caught.value))
    assert type(copy) is TimeoutError
    assert isinstance(copy.__cause__, asyncio.CancelledError)


def test_a_circular_chain_ends() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__context__, second.__context__ = second, first
    copy = unpack(pack(first))
    assert str(copy.__context__) == "2"
    assert copy.__context__ is not None
    assert copy.__context__.__context__ is copy


def test_a_group_keeps_its_members() -> None:
    copy = travelled(ExceptionGroup("two", [ValueError("a"), KeywordOnly(code=1)]))
    assert isinstance(copy, ExceptionGroup)
    assert [(type(e), str(e)) for e in copy.exceptions] == [
        (ValueError, "a"),
        (KeywordOnly, "code 1"),
    ]


def test_what_can_not_be_rebuilt_keeps_its_text() -> None:
    copy = travelled(Unrebuildable(1, 2))
    assert str(copy) == "cannot be rebuilt"


def test_a_broken_str_does_not_stop_it() -> None:
    assert "its __str__ failed" in pack(raised(BrokenStr("x"))).headline


def test_a_long_message_survives() -> None:
    assert len(str(travelled(ValueError("x" * 300_000)))) == 300_000


@pytest.mark.parametrize("value", [None, "text", KeyboardInterrupt(), ValueError])
def test_only_an_exception_can_be_pickled_as_one(value: object) -> None:
    with pytest.raises(TypeError):
        ExceptionPickler(value)  # type: ignore[arg-type]


def test_get_returns_the_very_exception() -> None:
    error = ValueError("x")
    assert ExceptionPickler(error).get() is error


@pytest.mark.parametrize("error", [e for e in ORDINARY if isinstance(e, Exception)], ids=repr)
def test_the_pickler_round_trip_keeps_type_and_text(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(ExceptionPickler(error))).get()
    assert (type(copy).__qualname__, str(copy)) == (type(error).__qualname__, str(error))


class _Lost(Exception):
    """Can be made neither by its constructor nor around it."""

    def __new__(cls, *args: object) -> _Lost:
        if len(args) != 2:
            raise TypeError("two arguments are needed")
        return super().__new__(cls)

    def __init__(self, first: object, second: object) -> None:
        Exception.__init__(self, f"{first}-{second}")


def test_unrecoverable_arguments_give_the_fallback_with_the_text() -> None:
    copy = pickle.loads(pickle.dumps(ExceptionPickler(_Lost(1, 2)))).get()
    assert type(copy) is PickleFailureFallbackException
    assert str(copy) == "1-2"
    assert copy.original_type.endswith("_Lost")


class _Picky(Exception):
    """Can be made around its constructor, which can't be called again."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(f"wrong: {detail}")


def test_one_made_around_its_constructor_counts_as_a_fallback_too() -> None:
    """P25: and is of its own class all the same."""
    copy = pickle.loads(pickle.dumps(ExceptionPickler(_Picky(detail="x")))).get()
    assert (type(copy), str(copy)) == (_Picky, "wrong: x")
    assert isinstance(copy, PickleFailureFallbackException)
    again = pickle.loads(pickle.dumps(ExceptionPickler(copy))).get()
    assert isinstance(again, PickleFailureFallbackException)
    assert not isinstance(_Picky(detail="x"), PickleFailureFallbackException)


TRIED = """
import pickle, tblib.pickling_support
tblib.pickling_support.install()
from caikit_nb.execution.exception_pickler import pack, unpack
ERRORS = SystemExit(3), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), ZeroDivisionError("x")
for error in ERRORS:
    try:
        raise error from ValueError("before")
    except BaseException as raised:
        copy = unpack(pickle.loads(pickle.dumps(pack(raised))))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), {}), copy
    assert copy.__traceback__ is None
    assert getattr(copy, "code", None) == getattr(error, "code", None)
    assert str(copy.__cause__) == "before"
"""


def test_nothing_is_lost_where_tblib_is_at_work() -> None:
    """`distributed` brings it."""
    subprocess.run([sys.executable, "-c", TRIED], check=True, timeout=180)
