"""What is told of a log's end."""

import pytest

from caikit_nb.jobs.last_words import last_words

REPORT = """Fatal Python error: Aborted

Current thread 0x00007f3a (most recent call first):
  File "a.py", line 1 in first
  File "b.py", line 2 in second
  File "c.py", line 3 in third
  File "d.py", line 4 in fourth
  ...

Extension modules: numpy.core._multiarray_umath, zmq.backend (total: 2)
"""


@pytest.mark.parametrize("log", [f"first\nlast words\n{REPORT}", f"first\n{REPORT}last words\n"])
def test_a_crash_is_told_briefly_and_after_what_was_printed(log: str) -> None:
    assert last_words(log).splitlines() == [
        "first",
        "last words",
        "Fatal Python error: Aborted",
        '  File "a.py", line 1 in first',
        '  File "b.py", line 2 in second',
        '  File "c.py", line 3 in third',
    ]


def test_else_the_last_ten_lines() -> None:
    assert last_words("".join(f"{n}\n" for n in range(20))).splitlines() == [
        str(n) for n in range(10, 20)
    ]
