"""Printed text as a terminal's screen shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.playback import played

UP, ERASE_LINE, ERASE_REST, GREEN, RESET = "\x1b[A", "\x1b[2K", "\x1b[K", "\x1b[32m", "\x1b[0m"

SCREENS = {
    "plain text is itself": ("one\ntwo\n", "one\ntwo\n"),
    "colours alone are left alone": (f"{GREEN}one{RESET}\n", f"{GREEN}one{RESET}\n"),
    "the last print of a line is seen": ("\r 1/10\r 2/10\r10/10\n", "10/10\n"),
    "what a shorter print leaves is seen": ("abc\rX\n", "Xbc\n"),
    "spaces that cover it are not": ("loading\rdone   \n", "done\n"),
    "a return at the end changes nothing": ("abc\r", "abc"),
    "ends of lines of other systems": ("one\r\ntwo\r\n", "one\ntwo\n"),
    "backspaces": ("12%\b\b\b13%\n", "13%\n"),
    "backspaces stop at the line's beginning": ("a\b\b\bbc", "bc"),
    "old Keras": ("\b\b\b\b\r1/2\b\b\b\b\r2/2\n", "2/2\n"),
    "the line above": (f"one\ntwo\n{UP}{UP}ONE\n\n", "ONE\ntwo\n"),
    "erased to its end": (f"abcdef\rab{ERASE_REST}\n", "ab\n"),
    "erased as a whole": (f"abcdef\r{ERASE_LINE}x\n", "x\n"),
    "the cursor stops at the top": (f"{UP}{UP}x\n", "x\n"),
    "colours go with their characters": (f"{GREEN}ab{RESET}cd\rX", f"X{GREEN}b{RESET}cd"),
    "a huge count": ("a\x1b[99999999999999999Ab", "ab"),
}


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_shows(name: str) -> None:
    printed, seen = SCREENS[name]
    assert played(printed) == seen


def test_nested_bars_end_as_they_stand() -> None:
    text = f"\r outer 0\n\r inner 0{UP}\n\r inner 1{UP}\r outer 1\n\r        {UP}\r outer 2\n"
    assert played(text) == " outer 2\n"


PIECES = ["a", "bc", " ", "\n", "\r", "\b", UP, "\x1b[2C", ERASE_LINE, ERASE_REST, GREEN, RESET]


@given(st.lists(st.sampled_from(PIECES)))
def test_what_is_played_has_no_more_to_play(pieces: list[str]) -> None:
    once = played("".join(pieces))
    assert played(once) == once


@given(st.text("ab\n"), st.text("ab\n"))
def test_text_before_a_rewritten_line_is_untouched(before: str, after: str) -> None:
    assert played(f"{before}\nxx\ry\n{after}") == f"{before}\nyx\n{after}"
