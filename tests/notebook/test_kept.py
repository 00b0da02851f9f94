"""How long a result is still kept, in words."""

from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.notebook.kept import in_words


def test_a_unit_is_used_from_two_of_it_on() -> None:
    minute, hour, day = 60, 3600, 86400
    words = {
        0.4: "0 s",
        0.6: "1 s",
        59.4: "59 s",
        2 * minute - 1: "119 s",
        2 * minute - 0.4: "2 min",
        2 * hour - minute: "119 min",
        2 * hour - 1: "2 h",
        day - 0.1: "24 h",
        36 * hour: "36 h",
        2 * day - hour: "47 h",
        2 * day - 1: "2 days",
        1e9: "11574 days",
    }
    assert {left_s: in_words(left_s)[0] for left_s in words} == words


@given(st.floats(0, 1e10))
def test_the_words_change_when_they_say_so(left_s: float) -> None:
    words, changes_in_s = in_words(left_s)
    assert changes_in_s > 0
    if left_s >= changes_in_s:
        assert in_words(left_s - changes_in_s)[0] != words
    assert in_words(max(0.0, left_s - 0.9 * (changes_in_s - 0.06)))[0] == words


def test_a_time_that_is_over_is_no_time() -> None:
    assert in_words(-5)[0] == "0 s"
