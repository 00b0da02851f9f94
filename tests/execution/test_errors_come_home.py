"""Errors through a real process: type, text, attributes, and what is printed (P15, P16)."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.exception_pickler import PickleFailureFallbackException
from tests.execution.test_destroyable_process import ended, every_method, states
from tests.fifo import Fifo


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Validating(Exception):
    def __init__(self, number: int) -> None:
        if not isinstance(number, int):
            raise TypeError("a number is needed")
        super().__init__(f"number {number}")
        self.number = number


class Extra(Exception):
    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def time_out() -> None:
    async def late() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    asyncio.run(late())


def fail_after_an_interrupt() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise ValueError("could not save")  # noqa: B904 - a context is wanted


def fail_locally() -> None:
    class Local(ValueError):
        """Only this function knows it."""

    raise Local("local text")


def fail_with_keyword() -> None:
    raise KeywordOnly(code=42)


def fail_validating() -> None:
    raise Validating(3)


def fail_with_extras() -> None:
    error = Extra("m", code=7)
    error.extra = {"fold": 3}  # type: ignore[attr-defined]
    raise error


def fail_with_notes() -> None:
    error = ValueError("noted")
    error.add_note("in fold 3")
    raise error


def fail_from_none() -> None:
    try:
        raise KeyError("hidden key")
    except KeyError:
        raise ValueError("clean message") from None


def fail_in_a_group() -> None:
    raise ExceptionGroup("two", [ValueError("a"), ExceptionGroup("in", [KeywordOnly(code=1)])])


def fail_deep_down(depth: int = 2) -> float:
    return fail_deep_down(depth - 1) if depth else 1 / 0


FAILURES = [
    (time_out, "TimeoutError", ""),
    (fail_after_an_interrupt, "ValueError", "could not save"),
    (fail_locally, "Local", "local text"),
    (fail_with_keyword, "KeywordOnly", "code 42"),
    (fail_validating, "Validating", "number 3"),
    (fail_with_extras, "Extra", "m"),
    (fail_with_notes, "ValueError", "noted"),
    (fail_from_none, "ValueError", "clean message"),
    (fail_in_a_group, "ExceptionGroup", "two (2 sub-exceptions)"),
    (fail_deep_down, "ZeroDivisionError", "division by zero"),
]


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@functools.cache  # most tests look at an error that another one looks at, too
def error_of(method: str, function: Any) -> Any:
    process = ended(method, function)
    assert states(process) == (False, False, True, True)
    assert process.completion_event.is_set()
    assert process.exitcode == 0
    return process.error


@every_method
@pytest.mark.parametrize(
    ("function", "name", "text"), FAILURES, ids=lambda it: getattr(it, "__name__", str(it)[:30])
)
def test_type_text_and_the_place_come_home(
    method: str, function: Any, name: str, text: str
) -> None:
    error = error_of(method, function)
    assert (type(error).__name__, str(error)) == (name, text)
    seen = printed(error)
    assert f"in {function.__name__}" in seen
    assert Path(__file__).name in seen
    assert text in seen


@every_method
def test_known_classes_are_the_very_classes(method: str) -> None:
    assert type(error_of(method, time_out)) is TimeoutError
    assert type(error_of(method, fail_with_keyword)) is KeywordOnly
    assert type(error_of(method, fail_validating)) is Validating
    assert isinstance(error_of(method, fail_locally), ValueError)


@every_method
def test_attributes_come_home(method: str) -> None:
    assert error_of(method, fail_with_keyword).code == 42
    assert error_of(method, fail_validating).number == 3
    extra = error_of(method, fail_with_extras)
    assert (extra.code, extra.extra) == (7, {"fold": 3})


@every_method
def test_notes_come_home_and_print_once(method: str) -> None:
    error = error_of(method, fail_with_notes)
    assert error.__notes__ == ["in fold 3"]
    assert printed(error).splitlines()[-1] == "in fold 3"


def test_a_timeout_keeps_its_cancellation() -> None:
    error = error_of("fork", time_out)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert "The above exception was the direct cause" in printed(error)


def test_an_interrupt_in_the_chain_stays_in_the_chain() -> None:
    error = error_of("fork", fail_after_an_interrupt)
    assert isinstance(error.__context__, KeyboardInterrupt)
    assert "During handling of the above exception" in printed(error)


@every_method
def test_from_none_stays_clean_and_still_shows_its_place(method: str) -> None:
    error = error_of(method, fail_from_none)
    assert error.__suppress_context__
    assert isinstance(error.__context__, KeyError)
    assert "hidden key" not in printed(error)
    assert "in fail_from_none" in printed(error)


@every_method
def test_a_group_keeps_its_members_and_their_classes(method: str) -> None:
    group = error_of(method, fail_in_a_group)
    assert type(group) is ExceptionGroup
    first, second = group.exceptions
    assert (type(first), str(first)) == (ValueError, "a")
    assert type(second.exceptions[0]) is KeywordOnly
    assert second.exceptions[0].code == 1


def test_every_frame_of_the_job_is_printed() -> None:
    seen = printed(error_of("fork", fail_deep_down))
    frames = re.findall(r"in fail_deep_down", seen)
    assert len(frames) == 3
    assert "1 / 0" in seen


class Lost(Exception):
    """Can be made neither by its constructor nor around it."""

    def __new__(cls, *args: object) -> Lost:
        if len(args) != 2:
            raise TypeError("two arguments are needed")
        return super().__new__(cls)

    def __init__(self, first: object, second: object) -> None:
        Exception.__init__(self, f"{first}-{second}")


def fail_lost() -> None:
    raise Lost(1, 2)


@every_method
def test_what_can_not_be_rebuilt_is_named_and_printed(method: str) -> None:
    error = error_of(method, fail_lost)
    assert type(error) is PickleFailureFallbackException
    assert str(error) == "1-2"
    assert error.original_type.endswith("Lost")
    assert "in fail_lost" in printed(error)


@pytest.mark.parametrize("value", [ValueError("a value"), SystemExit(3), KeyboardInterrupt()])
@every_method
def test_an_exception_that_is_returned_is_a_value(method: str, value: BaseException) -> None:
    process = ended(method, lambda: value)
    assert states(process) == (False, False, True, False)
    got = process.get_or_throw()
    assert (type(got), str(got)) == (type(value), str(value))


LEAVINGS = [(None, None), (0, None), ("bad data path", "bad data path"), (3, "3")]


@pytest.mark.parametrize(("code", "text"), LEAVINGS)
@every_method
def test_sys_exit_fails_with_its_text_unless_it_means_success(
    method: str, code: Any, text: str | None
) -> None:
    process = ended(method, sys.exit, code)
    assert states(process) == (False, False, True, text is not None)
    assert process.completion_event.is_set()
    if text is None:
        assert process.get_or_throw() is None
        return
    with pytest.raises(SystemExit, match=f"^{text}$") as caught:
        process.get_or_throw()
    assert caught.value.code == code


def interrupt_myself() -> None:
    raise KeyboardInterrupt("by hand")


@every_method
def test_a_raised_keyboard_interrupt_is_the_error(method: str) -> None:
    error = error_of(method, interrupt_myself)
    assert (type(error), str(error)) == (KeyboardInterrupt, "by hand")


def tell_and_hear(told: Fifo, held: Fifo) -> None:
    told.say()
    held.hear()


@every_method
def test_a_sigint_is_a_keyboard_interrupt_with_its_place(method: str, tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    process = DestroyableProcess(method, tell_and_hear, args=(told, held))
    process.start()
    told.hear()
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    assert states(process) == (False, False, True, True)
    assert type(process.error) is KeyboardInterrupt
    assert "in tell_and_hear" in printed(process.error)
