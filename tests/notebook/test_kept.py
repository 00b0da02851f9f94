"""How long a result is still kept, in words."""

from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.notebook.kept import in_words


def test_a_unit_is_used_from_two_of_it_on() -> None:
    times = [0, 1, 59, 119, 120, 7199, 7200, 86400, 172799, 172800, 1e9]
    assert [in_words(time + 0.5)[0] for time in times] == [
        "0 s",
        "1 s",
        "59 s",
        "119 s",
        "2 min",
        "119 min",
        "2 h",
        "24 h",
        "47 h",
        "2 days",
        "11574 days",
    ]


@given(st.floats(0, 1e10))
def test_the_words_change_when_they_say_so(left_s: float) -> None:
    words, changes_in_s = in_words(left_s)
    assert changes_in_s > 0
    if left_s >= changes_in_s:
        assert in_words(left_s - changes_in_s)[0] != words
    assert in_words(max(0.0, left_s - 0.9 * (changes_in_s - 0.06)))[0] == words


def test_a_time_that_is_over_is_no_time() -> None:
    assert in_words(-5)[0] == "0 s"
