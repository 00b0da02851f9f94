"""The directories of sessions: ours alone, marked, private to the user."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from caikit_nb.execution.guard import MARKER_FILE, kill_marked_of, remove_marked_directory
from caikit_nb.execution.guardian import guardian
from caikit_nb.jobs.job_directory import write_private

logger = logging.getLogger(__name__)

_ROOT = 0


def sessions_directory() -> Path:
    """Where sessions keep their files.

    ``$CAIKIT_NB_DIR`` if set, else a directory of this user's in the system's place for temporary
    files. It is made if it isn't there.

    Raises:
        PermissionError: the directory belongs to someone else, or others may write to it.
    """
    configured = os.environ.get("CAIKIT_NB_DIR")
    # Absolute, as it holds also when the kernel goes elsewhere.
    path = Path(configured).absolute() if configured else _default_directory()
    for each in (*reversed(path.parents), path):
        _refuse_foreign_link(each)
        if not each.exists():  # `parents=True` makes parents for everybody
            each.mkdir(mode=0o700, exist_ok=True)
    path = path.resolve()  # from here on no link is followed
    with _opened(path):
        return path


def _refuse_foreign_link(path: Path) -> None:
    """Whoever has made a link may let it lead elsewhere at any time."""
    with contextlib.suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (os.getuid(), _ROOT):
            raise PermissionError(f"{path} is another user's link; set CAIKIT_NB_DIR elsewhere")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The directory of sessions itself, whatever may get its name meanwhile.

    Raises:
        PermissionError: it belongs to someone else, or others may write to it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(f"{path} must belong to you alone; set CAIKIT_NB_DIR elsewhere")
        yield fd
    finally:
        os.close(fd)


def _default_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"caikit_nb-{os.getuid()}"


def sessions_directory_of(process: psutil.Process) -> Path:
    """Where another process of this user keeps its sessions, by the environment it began with.

    Raises:
        psutil.Error: it is gone, or someone else's.
    """
    environment = process.environ()
    if configured := environment.get("CAIKIT_NB_DIR"):
        return Path(process.cwd(), configured)
    places = [environment.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    place = next((place for place in places if place and Path(place).is_dir()), None)
    return Path(place, _default_directory().name) if place else _default_directory()


def owner_of(session: Path) -> int | None:
    """The number of the living process whose session it is; None if there is none."""
    try:
        pid = json.loads((session / MARKER_FILE).read_text("utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) and not _is_dead(session) else None


def make_session_directory() -> Path:
    """A new directory for this process's session, and the end of those of dead ones."""
    parent = sessions_directory()
    remove_dead_sessions(parent)
    me = psutil.Process()
    name = f"{me.pid}-{secrets.token_hex(4)}"
    with _opened(parent) as fd:
        os.mkdir(name, 0o700, dir_fd=fd)
        owner = {
            "pid": me.pid,
            "started": _started(me),
            "host": _host(),
            "boot": _boot(),
            "first_mark": guardian.first_mark,
        }
        write_private(Path(name, MARKER_FILE), json.dumps(owner), dir_fd=fd)
    return parent / name


def remove_dead_sessions(parent: Path) -> list[Path]:
    """Delete the session directories whose process is gone; returns them.

    What still runs of their jobs is ended first: their guard was killed as well.
    """
    dead = [path for path in parent.iterdir() if (path / MARKER_FILE).is_file() and _is_dead(path)]
    for path in dead:
        _end_processes(path)
    return [path for path in dead if remove_marked_directory(str(path))]


def _end_processes(path: Path) -> None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kill_marked_of(int(json.loads((path / MARKER_FILE).read_text("utf-8"))["first_mark"]))


def _is_dead(path: Path) -> bool:
    try:
        owner = json.loads((path / MARKER_FILE).read_text("utf-8"))
        # Other machines and containers may share the directory; we can't see their processes.
        if owner["host"] != _host():
            return False
        if owner["boot"] != _boot():
            return True
        # The start time tells the owner from a later process with its number.
        return bool(_started(psutil.Process(owner["pid"])) != owner["started"])
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, TypeError, psutil.Error) as error:
        logger.debug("can't tell whose session %s is: %s", path, error)
        return False


def _started(process: psutil.Process) -> float:
    """When it started, by a clock that nobody can set where there is one.

    Raises:
        psutil.NoSuchProcess: it is gone, also if nobody has waited for it yet.
    """
    if sys.platform != "linux":
        return process.create_time()
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    if fields[0] in (b"Z", b"X"):
        raise psutil.NoSuchProcess(process.pid)
    return int(fields[19])


def _host() -> str:
    """The machine or container whose process numbers these are."""
    try:
        return f"{platform.node()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
