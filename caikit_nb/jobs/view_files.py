"""The last states of cards and tables as files, by which a notebook is brought up to date later.

In place of the last state of a view that has not ended there is the name of its session's
directory, whose owner has the view: so a reader can tell it from one that ended with its kernel,
however that died, and finds no earlier end of a table that goes on again. It says so of views with
and without jobs, by one small file whatever number of jobs there is.

The files lie in ``$CAIKIT_NB_DIR`` if that is set, else below Jupyter's directory for the user's
data, which is there after a restart of the machine as well. Each is private to the user, and goes
after a month, or earlier if there are too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir

from caikit_nb.execution.guard import MARKER_FILE
from caikit_nb.jobs import paths
from caikit_nb.jobs.job_directory import write_private

MOST_BYTES = 200_000_000
LONGEST_S = 30 * 86_400.0

_KEY = re.compile(r"[0-9a-f]{12,32}")
_SUFFIX = ".json"
_SESSION = "session"
LOOK_INTERVAL_S = 300.0
_next_look_at = -math.inf


def key_of(job_id: str) -> str:
    """The key of a job's card."""
    if _KEY.fullmatch(job_id):
        return job_id
    return hashlib.blake2s(job_id.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def directory() -> Path:
    """Where they lie."""
    configured = os.environ.get("CAIKIT_NB_DIR")
    home = Path(configured).absolute() if configured else Path(jupyter_data_dir(), "caikit_nb")
    return home / "views"


def write(key: str, view: Mapping[str, Any]) -> None:
    """Write a view's last state in place of what was there; now and then others go that are old.

    Raises:
        OSError: it can't be written.
    """
    with _opened() as fd:
        _replace(key, view, fd)
        _remove_old_now_and_then(fd)


def write_open(key: str, session: Path) -> None:
    """Write that a view goes on in the session that has this directory.

    Raises:
        OSError: it can't be written.
    """
    with _opened() as fd:
        _replace(key, {_SESSION: str(session)}, fd)


def _replace(key: str, content: Mapping[str, Any], fd: int) -> None:
    """Write a file in one step."""
    assert _KEY.fullmatch(key), key  # noqa: S101 - we make them
    draft = f".{secrets.token_hex(8)}"
    try:
        write_private(Path(draft), json.dumps(content), dir_fd=fd)
        os.replace(draft, f"{key}{_SUFFIX}", src_dir_fd=fd, dst_dir_fd=fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=fd)
        raise


def read(key: str) -> dict[str, Any] | None:
    """A view's last state; None if there is none, or `key` can't be one."""
    content = _content(key)
    return None if _SESSION in content else content or None


def goes_on(key: str) -> bool:
    """Whether a view has not ended, and its session lives on this machine."""
    session = _content(key).get(_SESSION)
    return isinstance(session, str) and paths.owner_of(Path(session)) is not None


def _content(key: str) -> dict[str, Any]:
    """What a view's file has; empty if there is none that we have written."""
    if not _KEY.fullmatch(key):
        return {}
    try:
        fd = os.open(directory() / f"{key}{_SUFFIX}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(fd, encoding="utf-8") as file:
            if os.fstat(fd).st_uid != os.getuid():
                return {}
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def _opened() -> Iterator[int]:
    """The directory itself, made and marked if need be.

    Raises:
        PermissionError: it belongs to someone else, or others may write to it.
    """
    path = directory()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(f"{path} must belong to you alone")
        with contextlib.suppress(FileExistsError):
            write_private(Path(MARKER_FILE), "", dir_fd=fd)
        yield fd
    finally:
        os.close(fd)


def _remove_old_now_and_then(fd: int) -> None:
    """To look at all of them takes a while, and each card has its end."""
    global _next_look_at
    if time.monotonic() >= _next_look_at:
        _next_look_at = time.monotonic() + LOOK_INTERVAL_S
        _remove_old(fd)


def _remove_old(fd: int) -> None:
    """Delete those of before a month, and the oldest ones if they are too much together."""
    found = []
    for name in os.listdir(fd):
        if name.endswith(_SUFFIX) and _KEY.fullmatch(name.removesuffix(_SUFFIX)):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime, status.st_size, name))
    oldest, held = time.time() - LONGEST_S, 0
    for written, size, name in sorted(found, reverse=True):
        held += size
        is_old = written < oldest or held > MOST_BYTES
        if is_old and not goes_on(name.removesuffix(_SUFFIX)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
