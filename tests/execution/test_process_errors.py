"""How the errors of a call come home from its process (contracts P15, P16)."""

from __future__ import annotations

import traceback

import pytest

from tests.execution.test_destroyable_process import ended, every_method


def fail_with_a_chain() -> None:
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("second") from error


@every_method
def test_a_cause_survives_and_prints(method: str) -> None:
    process = ended(method, fail_with_a_chain)
    text = "".join(traceback.format_exception(process.error))
    assert isinstance(process.error.__cause__, KeyError)
    assert "The above exception was the direct cause" in text
    assert "in fail_with_a_chain" in text


class Unrebuildable(Exception):
    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)


def fail_strangely() -> None:
    raise Unrebuildable("strange text")


@every_method
def test_an_exception_that_can_not_be_rebuilt_keeps_its_text(method: str) -> None:
    assert "strange text" in str(ended(method, fail_strangely).error)


@every_method
def test_closures_and_lambdas_run_under_every_method(method: str) -> None:
    offset = 5
    assert ended(method, lambda number: number + offset, 1).get_or_throw() == 6


@every_method
def test_a_returned_exception_is_a_value(method: str) -> None:
    process = ended(method, lambda: ValueError("a value"))
    assert not process.threw
    assert str(process.get_or_throw()) == "a value"


@pytest.mark.parametrize(
    ("code", "threw"), [(None, False), (0, False), ("bad path", True), (3, True)]
)
def test_system_exit_is_an_error_unless_it_means_success(code: object, threw: bool) -> None:
    process = ended("fork", lambda: (_ for _ in ()).throw(SystemExit(code)))
    assert process.threw is threw
    if threw:
        assert str(process.error) == str(code)
