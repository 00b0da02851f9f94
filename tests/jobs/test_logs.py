"""What a job prints, in a file and in memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from caikit_nb.jobs.logs import HEAD_BYTES, TAIL_BYTES, LogSpool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


def test_everything_is_in_the_file_and_the_text(path: Path) -> None:
    spool = LogSpool(path)
    spool.append(b"one\n")
    spool.append("zwö\n".encode())
    assert spool.text() == "one\nzwö\n" == path.read_text()


def test_nothing_printed_is_no_file(path: Path) -> None:
    spool = LogSpool(path)
    assert spool.text() == ""
    assert not path.exists()


def test_the_file_is_private(path: Path) -> None:
    LogSpool(path).append(b"x")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_tail_is_so_many_lines(path: Path) -> None:
    spool = LogSpool(path)
    spool.append(b"".join(b"%d\n" % number for number in range(100)))
    assert (spool.text(2), spool.text(0), len(spool.text(1000))) == ("98\n99\n", "", 290)


def test_a_ring_keeps_head_and_tail_and_says_what_is_left_out() -> None:
    spool = LogSpool(None)
    spool.append(b"first\n")
    for number in range(100_000):
        spool.append(b"%09d\n" % number)
    text = spool.text()
    assert text.startswith("first\n000000000\n")
    assert text.endswith("000099999\n")
    assert "bytes left out" in text
    assert len(text) < HEAD_BYTES + TAIL_BYTES + 65536


def test_left_out_bytes_are_counted_exactly() -> None:
    spool = LogSpool(None)
    for _ in range(10):
        spool.append(b"x" * 65536)
    kept = spool.text().count("x")
    assert f"{10 * 65536 - kept} bytes left out" in spool.text()


def test_one_huge_piece_keeps_its_end() -> None:
    spool = LogSpool(None)
    spool.append(b"x" * 10_000_000 + b"end")
    assert spool.text().endswith("end")


def test_the_file_stops_at_its_cap_and_the_text_names_it(path: Path) -> None:
    spool = LogSpool(path, max_file_bytes=1000)
    for _ in range(10_000):
        spool.append(b"x" * 99 + b"\n")
    assert path.stat().st_size < 1200
    assert str(path) in spool.text()


def test_a_file_that_can_not_be_made_leaves_the_memory(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path / "gone" / "output.log")
    spool.append(b"still here\n")
    assert spool.text() == "still here\n"


def test_a_full_disk_leaves_the_memory() -> None:
    spool = LogSpool(Path("/dev/full"))
    spool.append(b"a\n")
    spool.append(b"b\n")
    assert spool.text() == "a\nb\n"


def test_dropping_deletes_the_file_and_forgets(path: Path) -> None:
    spool = LogSpool(path)
    spool.append(b"x" * 1_000_000)
    spool.drop()
    assert not path.exists()
    assert "x" not in spool.text()


def test_closing_gives_the_descriptor_back(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    spool = LogSpool(path)
    spool.append(b"x")
    spool.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_bytes_that_are_no_text_are_replaced(path: Path) -> None:
    spool = LogSpool(path)
    spool.append(b"\xff\n")
    assert spool.text() == "\ufffd\n"


def test_a_line_that_was_printed_over_is_one_line() -> None:
    spool = LogSpool(None)
    spool.append(b"begun\n" + b"".join(b"\r%3d%%" % part for part in range(101)) + b"\nended\n")
    assert spool.text() == "begun\n100%\nended\n"
    assert spool.text(2) == "100%\nended\n"
    assert spool.text(raw=True).count("\r") == 101


def test_only_a_lines_end_ends_a_line() -> None:
    spool = LogSpool(None)
    spool.append("one\x0ctwo\x85three\u2028four\nfive\n".encode())
    assert spool.text(1) == "five\n"
    assert spool.text(2) == "one\x0ctwo\x85three\u2028four\nfive\n"


def test_the_tail_has_the_line_that_is_not_finished() -> None:
    spool = LogSpool(None)
    spool.append(b"one\ntwo\nthr")
    assert (spool.text(1), spool.text(2)) == ("thr", "two\nthr")


def test_the_last_lines_know_of_a_cursor_that_went_up() -> None:
    spool = LogSpool(None)
    spool.append(b"top\none\ntwo\n\x1b[2AONE\n\n")
    assert spool.text(2) == "ONE\ntwo\n"


def test_the_end_is_so_many_bytes_wherever_they_are() -> None:
    spool = LogSpool(None)
    spool.append(b"ab")
    assert (spool.end(1), spool.end(9)) == (b"b", b"ab")
    spool.append(b"x" * HEAD_BYTES)
    spool.append(b"yz")
    assert (spool.end(3), spool.end(1)) == (b"xyz", b"z")
    assert len(spool.end(HEAD_BYTES + 9)) == HEAD_BYTES + 4
