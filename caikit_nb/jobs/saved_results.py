"""What jobs save: made by us or by them, or never deleted.

One place may serve several runs, one after another. Only the last of them may delete what is
there.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from caikit_nb.execution.guard import MARKER_FILE, remove_marked_directory
from caikit_nb.jobs.paths import write_private

_lock = threading.Lock()
_owners: dict[str, object] = {}


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


def is_free(path: str) -> bool:
    """Whether what a job will save to a path is its own: nothing is there, or an earlier job's."""
    with _lock:
        return path in _owners or not os.path.lexists(path)


def own(path: str, owner: object) -> None:
    """Let `owner` delete what is at a path that was free."""
    with _lock:
        _owners[path] = owner


def remove_saved(path: str, owner: object) -> None:
    """Delete what was saved to a path that is still `owner`'s."""
    with _lock:
        if _owners.get(path) is not owner:
            return
        del _owners[path]
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)


def _forget() -> None:
    """In a forked child: the directories are the parent's."""
    global _lock
    _lock = threading.Lock()
    _owners.clear()


os.register_at_fork(after_in_child=_forget)
