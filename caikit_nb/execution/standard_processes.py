"""The standard library's processes, and what they need so that several threads may ask them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing import (
    context,
    forkserver,
    popen_fork,
    popen_forkserver,
    popen_spawn_posix,
    resource_tracker,
    util,
)
from typing import Any

from caikit_nb.execution.fork_warning import unwarned


def context_of(method: str) -> Any:
    """The context of a start method; None where the platform doesn't have it."""
    supported = method in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context(method) if supported else None


_HELPERS = (
    "from multiprocessing.resource_tracker import main",
    "from multiprocessing.forkserver import main",
)
_LONGEST_PLACE, _SHORT_PLACE = 70, "/tmp"
_spawning = threading.Lock()
os.register_at_fork(after_in_child=_spawning._at_fork_reinit)  # type: ignore[attr-defined]

FORK_CTX: context.ForkContext | None = context_of("fork")
SPAWN_CTX: context.SpawnContext | None = context_of("spawn")
FORKSERVER_CTX: context.ForkServerContext | None = context_of("forkserver")


@contextlib.contextmanager
def held_sigint() -> Iterator[None]:
    """A process started inside holds SIGINT back until it has left the kernel's process group."""
    if getattr(resource_tracker._resource_tracker, "_fd", None) is None:
        # It releases SIGINT when it starts its own process.
        with _in_sessions_of_their_own():
            resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ensure_fork_server() -> None:
    """Start multiprocessing's fork server if it doesn't run; returns before it is ready."""
    _keep_sockets_short()
    with held_sigint(), _in_sessions_of_their_own():
        forkserver.ensure_running()


def _keep_sockets_short() -> None:
    """Multiprocessing's sockets lie in the directory of temporary files, and paths have a limit."""
    chosen = tempfile.gettempdir()
    if len(chosen) <= _LONGEST_PLACE or not os.access(_SHORT_PLACE, os.W_OK | os.X_OK):
        return
    tempfile.tempdir = _SHORT_PLACE
    try:
        util.get_temp_dir()  # it is made now, private and to be removed, and asked for later
    finally:
        tempfile.tempdir = chosen


@contextlib.contextmanager
def _in_sessions_of_their_own() -> Iterator[None]:
    """Inside, multiprocessing starts its resource tracker and its fork server so.

    A kernel that is asked to end or to restart sends the processes of its group SIGTERM and waits
    until they are gone. The tracker ignores it: the kernel would take seconds, in which its server
    loses its patience and ends it without its `atexit` handlers.
    """

    def spawn(path: bytes, arguments: Any, fds: Any) -> int:
        return standard(path, [_in_session(each) for each in arguments], fds)

    with _spawning:
        standard = util.spawnv_passfds
        util.spawnv_passfds = spawn  # type: ignore[assignment]
        try:
            yield
        finally:
            util.spawnv_passfds = standard


def _in_session(argument: Any) -> Any:
    is_code = isinstance(argument, str) and any(helper in argument for helper in _HELPERS)
    return f"import os; os.setsid(); {argument}" if is_code else argument


class _LockedPoll:
    """Several threads may poll; only one reaps, and the others see what it found."""

    def __init__(self, process: Any) -> None:
        self._lock = threading.Lock()
        super().__init__(process)  # type: ignore[call-arg]

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        with self._lock:
            return super().poll(flag)  # type: ignore[misc,no-any-return]


class _ForkPopen(_LockedPoll, popen_fork.Popen):
    """By fork."""

    def _launch(self, process: Any) -> None:
        """As the standard one, which holds two pipes for each process that lives."""
        if not hasattr(os, "pidfd_open"):
            with unwarned():
                super()._launch(process)  # type: ignore[misc]
            return
        parent = _this_process()
        # Who asks the process for one gets a descriptor then.
        self.sentinel = None  # type: ignore[assignment]
        with unwarned(), _shared_tracker():
            self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = process._bootstrap(parent_sentinel=parent)
            finally:
                os._exit(code)


@contextlib.contextmanager
def _shared_tracker() -> Iterator[None]:
    """A process forked inside has this one's resource tracker.

    From Python 3.14 on multiprocessing has to be told so, or the process starts one of its own.
    """
    intent: Any = getattr(resource_tracker, "_fork_intent", None)
    if intent is None:
        yield
        return
    intent.preserve_fd = True
    try:
        yield
    finally:
        intent.preserve_fd = False


_this_process_fd = (0, -1)


def _this_process() -> int:
    """A descriptor of this process, by which its children see its end."""
    global _this_process_fd
    if _this_process_fd[0] != os.getpid():
        _this_process_fd = (os.getpid(), os.pidfd_open(os.getpid()))
    return _this_process_fd[1]


class _SpawnPopen(_LockedPoll, popen_spawn_posix.Popen):
    """By a new interpreter."""


class _ForkserverPopen(_LockedPoll, popen_forkserver.Popen):
    """By the fork server."""


_POPENS: dict[str, Any] = {
    "fork": _ForkPopen,
    "spawn": _SpawnPopen,
    "forkserver": _ForkserverPopen,
}


def start_process(method: str, process: Any) -> Any:
    """Start a process of the standard library; returns what it polls and signals it with."""
    return _POPENS[method](process)


_CARRIED = {
    "_identity", "_config", "_parent_pid", "_parent_name", "_popen", "_closed", "_target",
    "_args", "_kwargs", "_name",
}  # fmt: skip


def carried_state(process: Any) -> dict[str, Any]:
    """What multiprocessing needs of a process in its child, and none of the parent's own parts."""
    return {key: value for key, value in process.__dict__.items() if key in _CARRIED}


def bare_process(method: str, state: dict[str, Any]) -> Any:
    """A process object in its child, of the plain kind."""
    process = context_of(method).Process.__new__(context_of(method).Process)
    process.__dict__.update(state)
    return process
