"""What jobs save, and who deletes it: only what wasn't there before.

A directory named by a job's id is made and marked here. What a training makes itself, at a path of
its owner's where there was nothing, is known by its inode: nobody may have to do with our marks.
One place may serve several runs, one after another. Only the last of them may delete it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from caikit_nb.execution.guard import MARKER_FILE, remove_marked_directory
from caikit_nb.jobs.job_directory import write_private

if TYPE_CHECKING:
    from caikit_nb.jobs.job import Job

_lock = threading.Lock()
_owners: dict[str, object] = {}
_Made = tuple[int, int]  # device and inode


def claim(directory: str, owner: object) -> bool:
    """Make a directory (0700) and mark it as ours, with those above it that are missing.

    One that an earlier job of this process made goes over to the new owner.

    Returns:
        Whether `owner` may delete it: not if it was there before.

    Raises:
        ValueError: there can be no directory of that name.
    """
    path = Path(directory)
    with _lock:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
        except FileExistsError:
            return _take_over(path, owner)
        except OSError as error:
            raise ValueError(f"{directory} can't be made: {error.strerror}") from None
        write_private(path / MARKER_FILE, "")
        _owners[directory] = owner
        return True


def _take_over(path: Path, owner: object) -> bool:
    if not path.is_dir():
        raise ValueError(f"{path} can't be made: there is a file of that name on the way")
    if str(path) not in _owners or not (path / MARKER_FILE).is_file():
        return False
    _owners[str(path)] = owner
    return True


def remove(directory: str, owner: object) -> bool:
    """Delete a directory that is still `owner`'s; says whether it did."""
    with _lock:
        if _owners.get(directory) is not owner:
            return False
        del _owners[directory]
        return remove_marked_directory(directory)


class SavedModel:
    """What a job is about to save at a path of its owner's.

    Args:
        path: Where.
        job: Which.
    """

    def __init__(self, path: str, job: Job) -> None:
        self._path, self._job = str(Path(path).absolute()), job
        self._made: _Made | None = None
        with _lock:
            self._is_free = self._path in _owners or not os.path.lexists(self._path)
        job.on_attempt_end.append(lambda _: self._note())
        job.on_expired.append(lambda _: self._remove())

    def claim(self) -> None:
        """The job was started: what it saves is its own, if nothing was there before."""
        if self._is_free:
            with _lock:
                _owners[self._path] = self._job
            if self._job.expired is not None:  # before it could be deleted
                self._remove()

    def _note(self) -> None:
        """What is there now is what the job has made: nobody has been told of its end."""
        if self._job.times.started_at is not None:
            self._made = _identity(self._path)

    def _remove(self) -> None:
        with _lock:
            if _owners.get(self._path) is not self._job:
                return
            del _owners[self._path]
            if self._made is None or _identity(self._path) != self._made:
                return
            if stat.S_ISDIR(Path(self._path).lstat().st_mode):
                shutil.rmtree(self._path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    Path(self._path).unlink()


def _identity(path: str) -> _Made | None:
    try:
        status = Path(path).lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget() -> None:
    """In a forked child: the directories are the parent's."""
    global _lock
    _lock = threading.Lock()
    _owners.clear()


os.register_at_fork(after_in_child=_forget)
