"""The directories of sessions and jobs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from caikit_nb.execution.guard import MARKER_FILE
from caikit_nb.jobs import job_directory, paths


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directories_are_private(sessions_directory: Path) -> None:
    session = paths.make_session_directory()
    job = session / "id"
    job_directory.make_job_directory(job)
    assert [mode(path) for path in (sessions_directory, session, job)] == [0o700] * 3


def test_markers_are_private() -> None:
    session = paths.make_session_directory()
    job = session / "id"
    job_directory.make_job_directory(job)
    assert [mode(path / MARKER_FILE) for path in (session, job)] == [0o600] * 2


def test_a_umask_does_not_open_them() -> None:
    before = os.umask(0)
    try:
        session = paths.make_session_directory()
    finally:
        os.umask(before)
    assert mode(session) == 0o700
    assert mode(session / MARKER_FILE) == 0o600


def test_parents_that_are_made_are_private_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "a" / "b"))
    before = os.umask(0)
    try:
        paths.make_session_directory()
    finally:
        os.umask(before)
    assert [mode(tmp_path / part) for part in ("a", "a/b")] == [0o700] * 2


def test_a_relative_place_is_that_of_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", "relative")
    monkeypatch.chdir(tmp_path)
    session = paths.make_session_directory()
    monkeypatch.chdir("/")
    assert (session / MARKER_FILE).is_file()


def test_two_sessions_of_one_process_are_apart() -> None:
    assert paths.make_session_directory() != paths.make_session_directory()


def test_a_live_session_stays() -> None:
    session = paths.make_session_directory()
    paths.make_session_directory()
    assert session.exists()


def dead_session(parent: Path) -> Path:
    process = subprocess.Popen(["true"])
    process.wait()
    path = paths.make_session_directory()
    marker = path / MARKER_FILE
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "pid": process.pid}))
    return path


def test_a_dead_session_is_removed(sessions_directory: Path) -> None:
    dead = dead_session(sessions_directory)
    assert paths.remove_dead_sessions(sessions_directory) == [dead]
    assert not dead.exists()


def test_a_process_with_a_dead_ones_number_does_not_keep_its_session() -> None:
    session = paths.make_session_directory()
    marker = session / MARKER_FILE
    owner = json.loads(marker.read_text())
    marker.write_text(json.dumps({**owner, "started": owner["started"] - 1000}))
    assert paths.remove_dead_sessions(session.parent) == [session]


def test_the_session_of_another_machine_stays(sessions_directory: Path) -> None:
    foreign = dead_session(sessions_directory)
    marker = foreign / MARKER_FILE
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "host": "elsewhere"}))
    assert paths.remove_dead_sessions(sessions_directory) == []


def test_a_directory_without_a_marker_stays(sessions_directory: Path) -> None:
    paths.make_session_directory()
    (sessions_directory / "123-precious").mkdir()
    assert paths.remove_dead_sessions(sessions_directory) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x", "started": 0}', "null"])
def test_a_marker_that_can_not_be_read_keeps_its_directory(
    text: str, sessions_directory: Path
) -> None:
    session = paths.make_session_directory()
    (session / MARKER_FILE).write_text(text)
    assert paths.remove_dead_sessions(sessions_directory) == []


def test_a_directory_that_others_may_write_to_is_refused(sessions_directory: Path) -> None:
    sessions_directory.mkdir()
    sessions_directory.chmod(0o777)
    with pytest.raises(PermissionError, match="CAIKIT_NB_DIR"):
        paths.make_session_directory()


def test_a_link_of_ones_own_is_followed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    monkeypatch.setenv("CAIKIT_NB_DIR", str(link))
    session = paths.make_session_directory()
    assert session.parent == real


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link to another user")
@pytest.mark.parametrize("place", ["itself", "its parent", "one that leads nowhere"])
def test_another_users_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    if place != "one that leads nowhere":
        real.mkdir(mode=0o700)
    link.symlink_to(real)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    monkeypatch.setenv("CAIKIT_NB_DIR", str(link / "below" if place == "its parent" else link))
    with pytest.raises(PermissionError, match="another user's link; set CAIKIT_NB_DIR elsewhere"):
        paths.make_session_directory()
    assert not real.exists() or list(real.iterdir()) == []


def test_a_file_of_a_job_is_no_link(tmp_path: Path) -> None:
    session = paths.make_session_directory()
    (session / "id").mkdir()
    (session / "id" / "output.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        job_directory.open_in_job_directory(session / "id" / "output.log", os.O_WRONLY)
    assert not (tmp_path / "elsewhere").exists()


def test_a_foreign_directory_is_refused(sessions_directory: Path) -> None:
    sessions_directory.mkdir(mode=0o700)
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(sessions_directory, 12345, 12345)
    with pytest.raises(PermissionError):
        paths.make_session_directory()


def test_a_jobs_directory_comes_with_its_first_file() -> None:
    session = paths.make_session_directory()
    job = session / "id"
    for name in ("first", "second"):
        os.close(job_directory.open_in_job_directory(job / name, os.O_WRONLY))
    assert sorted(path.name for path in job.iterdir()) == [MARKER_FILE, "first", "second"]
    assert {mode(path) for path in job.iterdir()} == {0o600}


def test_there_is_no_directory_of_a_job_without_its_session(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        job_directory.open_in_job_directory(tmp_path / "id" / "file", os.O_WRONLY)
    assert not (tmp_path / "id").exists()
