"""Reading a log in parts."""

from pathlib import Path

import pytest

from caikit_nb.jobs.log_file import LogPart, read_part


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "output.log"
    path.write_bytes("eins\nzwölf\ndrei\n".encode())
    return path


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_part(tmp_path / "none.log", 5) == LogPart("", 0, 0, 0)


def test_whole_log_is_one_part(log: Path) -> None:
    assert read_part(log, None) == LogPart("eins\nzwölf\ndrei\n", 0, 17, 17)


def test_end_of_a_long_log_begins_with_a_whole_line(log: Path) -> None:
    assert read_part(log, None, max_bytes=7).text == "drei\n"


def test_parts_join_to_the_log_wherever_they_are_cut(log: Path) -> None:
    for size in range(2, 18):
        offset, text = 0, ""
        while offset < 17:
            part = read_part(log, offset, max_bytes=size)
            assert part.offset == offset
            text, offset = text + part.text, part.end
        assert text == "eins\nzwölf\ndrei\n", size


def test_bytes_that_are_no_text_do_not_stop_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"\xff\xfe\x80\x80\x80\x80ok")
    part = read_part(path, 0)
    assert part.text.endswith("ok")
    assert part.end == part.size


def test_offset_beyond_the_end_is_the_end(log: Path) -> None:
    assert read_part(log, 99) == LogPart("", 17, 17, 17)
