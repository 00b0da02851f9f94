"""The last states of cards and tables on disk: private, and no more than there is room for."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from caikit_nb.execution.guard import MARKER_FILE, remove_marked_directory
from caikit_nb.jobs import paths, view_files

KEY, OTHER = "0123456789ab", "ba9876543210"
VIEW = {"key": KEY, "html": "<b>done</b>", "text": "done", "ended": True}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CAIKIT_NB_DIR", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(view_files, "LOOK_INTERVAL_S", 0.0)
    monkeypatch.setattr(view_files, "_next_look_at", 0.0)
    return tmp_path / "data" / "caikit_nb" / "views"


def test_the_newest_state_is_read(place: Path) -> None:
    assert view_files.read(KEY) is None
    for text in ("first", "second"):
        view_files.write(KEY, {**VIEW, "text": text})
    assert view_files.read(KEY) == {**VIEW, "text": "second"}
    assert sorted(os.listdir(place)) == [MARKER_FILE, f"{KEY}.json"]


def test_they_are_private_whatever_the_umask(place: Path) -> None:
    before = os.umask(0)
    try:
        view_files.write(KEY, VIEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / f"{KEY}.json").stat().st_mode) == 0o600


def test_a_place_to_which_others_may_write_is_not_used(place: Path) -> None:
    place.mkdir(parents=True)
    place.chmod(0o777)
    with pytest.raises(PermissionError, match="must belong to you alone"):
        view_files.write(KEY, VIEW)
    assert os.listdir(place) == []


def test_a_link_is_followed_neither_for_writing_nor_for_reading(
    place: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text('{"key": "mine"}')
    place.mkdir(mode=0o700, parents=True)
    (place / f"{KEY}.json").symlink_to(mine)
    assert view_files.read(KEY) is None
    view_files.write(KEY, VIEW)
    assert view_files.read(KEY) == VIEW
    assert mine.read_text() == '{"key": "mine"}'


@pytest.mark.parametrize("key", ["", "..", "../../secret", "ABCDEF012345", "0" * 33])
def test_what_is_no_key_finds_nothing(key: str) -> None:
    view_files.write(KEY, VIEW)
    assert view_files.read(key) is None


def test_the_id_of_any_job_has_a_key() -> None:
    assert view_files.key_of(KEY) == KEY
    for odd in ("", "../x", "name/1", "\udcff"):
        view_files.write(view_files.key_of(odd), VIEW)
        assert view_files.read(view_files.key_of(odd)) == VIEW


def test_old_ones_go(place: Path) -> None:
    view_files.write(KEY, VIEW)
    os.utime(place / f"{KEY}.json", (0, 0))
    view_files.write(OTHER, VIEW)
    assert view_files.read(KEY) is None
    assert view_files.read(OTHER) == VIEW


def test_not_each_ending_looks_at_all_of_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_files, "LOOK_INTERVAL_S", 1e9)
    view_files.write(KEY, VIEW)
    os.utime(place / f"{KEY}.json", (0, 0))
    view_files.write(OTHER, VIEW)
    assert view_files.read(KEY) == VIEW


def test_the_oldest_go_if_they_are_too_much(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_files, "MOST_BYTES", 3000)
    keys = [f"{number:012x}" for number in range(5)]
    for number, key in enumerate(keys):
        view_files.write(key, {**VIEW, "html": "x" * 1000})
        path = place / f"{key}.json"
        os.utime(path, (path.stat().st_mtime - 1000 + number,) * 2)
    view_files.write(KEY, VIEW)
    assert [key for key in keys if view_files.read(key)] == keys[-2:]


@pytest.fixture
def session() -> Iterator[Path]:
    session = paths.make_session_directory()
    yield session
    remove_marked_directory(str(session))


def test_one_that_goes_on_has_no_last_state_and_goes_with_its_session(session: Path) -> None:
    assert not view_files.goes_on(KEY)
    view_files.write_open(KEY, session)
    assert view_files.read(KEY) is None
    assert view_files.goes_on(KEY)
    view_files.write(KEY, VIEW)
    assert view_files.read(KEY) == VIEW
    assert not view_files.goes_on(KEY)
    view_files.write_open(KEY, session)  # it goes on again: that was no end
    assert view_files.read(KEY) is None
    remove_marked_directory(str(session))
    assert not view_files.goes_on(KEY)


def test_one_whose_kernel_was_killed_goes_on_no_more(session: Path) -> None:
    view_files.write_open(KEY, session)
    owner = json.loads((session / MARKER_FILE).read_text())
    (session / MARKER_FILE).write_text(json.dumps({**owner, "started": 1.0}))
    assert not view_files.goes_on(KEY)


def test_one_that_goes_on_is_never_too_old(place: Path, session: Path) -> None:
    view_files.write_open(KEY, session)
    os.utime(place / f"{KEY}.json", (0, 0))
    view_files.write(OTHER, VIEW)
    assert view_files.goes_on(KEY)


def test_they_lie_where_all_our_files_do_if_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "ours"))
    view_files.write(KEY, VIEW)
    assert (tmp_path / "ours" / "views" / f"{KEY}.json").is_file()
