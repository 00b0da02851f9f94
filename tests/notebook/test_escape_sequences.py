"""Escape sequences in what a job prints, as its card shows them."""

import time

import pytest

from caikit_nb.notebook import ansi

LINK = "\x1b]8;;http://example.org\x1b\\{}\x1b]8;;\x1b\\"


@pytest.mark.parametrize("read", [ansi.plain, ansi.to_html])
def test_of_links_the_words_and_what_is_between_them_stay(read) -> None:
    assert read(f"see {LINK.format('one')} and {LINK.format('two')}.") == "see one and two."


@pytest.mark.parametrize("read", [ansi.plain, ansi.to_html])
@pytest.mark.parametrize("part", ["\x1b]", "\x1b[", "\x1b[1;", "\x1b[38;5", "\x1b]8;;x"])
def test_many_that_are_not_finished_take_a_time_that_grows_with_their_number(read, part) -> None:
    def least_s(count: int) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            read(part * count)
            times.append(time.process_time() - began)
        return min(times)

    assert least_s(40_000) < 40 * max(least_s(4_000), 1e-4)
