"""A job's rich outputs."""

from __future__ import annotations

from typing import Any

from caikit_nb.jobs.displays import MAX_BYTES, MAX_DISPLAYS, Displays


def display(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"kind": "display", "data": {"text/plain": text}, "metadata": {}, **more}


def texts(displays: Displays) -> list[str]:
    return [shown.data["text/plain"] for shown in displays]


def taken(*messages: dict[str, Any]) -> Displays:
    displays = Displays()
    for message in messages:
        displays.take(message, at_byte=0)
    return displays


def test_displays_are_kept_in_order() -> None:
    displays = taken(display("a"), display("b", result=True))
    assert texts(displays) == ["a", "b"]
    assert [shown.is_result for shown in displays] == [False, True]


def test_an_update_takes_the_place_of_its_display() -> None:
    displays = taken(
        display("a", display_id="1"), display("b"), display("c", display_id="1", update=True)
    )
    assert texts(displays) == ["c", "b"]


def test_an_update_of_what_an_earlier_cell_has_shown_is_shown_here() -> None:
    updates = [display(text, display_id="1", update=True) for text in "ab"]
    assert texts(taken(*updates)) == ["b"]


def test_clearing_at_once_empties_it() -> None:
    assert texts(taken(display(), {"kind": "clear_output", "wait": False})) == []


def test_clearing_later_waits_for_the_next_display() -> None:
    clear = {"kind": "clear_output", "wait": True}
    assert texts(taken(display("a"), clear)) == ["a"]
    assert texts(taken(display("a"), clear, display("b"), display("c"))) == ["b", "c"]


def test_the_newest_are_kept() -> None:
    displays = taken(*(display(str(number)) for number in range(MAX_DISPLAYS + 5)))
    assert len(displays) == MAX_DISPLAYS
    assert texts(displays)[-1] == str(MAX_DISPLAYS + 4)
    assert displays.left_out == 5


def test_bytes_are_bounded_too() -> None:
    big = "x" * (MAX_BYTES // 3)
    displays = taken(*(display(big) for _ in range(6)))
    assert len(displays) == 2
    assert displays.left_out == 4


def test_one_display_over_the_bound_is_kept() -> None:
    assert len(taken(display("x" * (MAX_BYTES + 1)))) == 1


def test_frequent_updates_do_not_use_up_the_bytes() -> None:
    other = display("other")
    updates = [display("y" * 2**20, display_id="1", update=True) for _ in range(40)]
    displays = taken(other, display("y", display_id="1"), *updates)
    assert texts(displays)[0] == "other"


def test_clearing_gives_the_bytes_back() -> None:
    clear = {"kind": "clear_output", "wait": False}
    displays = taken(display("x" * (MAX_BYTES - 1000)), clear, display("a"), display("b" * 2000))
    assert len(displays) == 2


def test_a_display_shows_itself_again() -> None:
    (shown,) = taken(display("a"))
    assert shown._repr_mimebundle_() == ({"text/plain": "a"}, {})


def test_they_tell_their_kinds() -> None:
    assert repr(Displays()) == "<Displays none>"
    data = {"text/plain": "a figure", "image/png": ""}
    message = {"kind": "display", "data": data, "metadata": {}}
    assert repr(taken(message, message)) == "<Displays plain+png, plain+png>"
