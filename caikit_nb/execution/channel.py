"""The descriptors between a parent and one child."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

from caikit_nb.execution.places import new_mark
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import watcher

_PIPE_BYTES = 1 << 20
_MOST_STREAMS = 3
_MAX_UNTOLD_BYTES = 1 << 20
_TELL_AGAIN_S = 0.05


class SharedFd:
    """A descriptor that crosses to a child under every start method."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __getstate__(self) -> Any:
        return reduction.DupFd(self.fd)

    def __setstate__(self, duplicate: Any) -> None:
        self.fd = duplicate.detach()
        os.set_inheritable(self.fd, False)


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """What a child begins with.

    Attributes:
        line: A socket to its parent. It writes frames there, and reads the gate before the call
            runs: a byte lets it go, and brings the `Streams`; end of file ends the child. Frames
            for the call may follow.
        inputs: The memory file with the call's inputs; None if they came with the call.
        mark: What stands in the text on stdout before what isn't its text (`places`).
    """

    line: SharedFd
    inputs: SharedFd | None = None
    mark: bytes = b""

    def fds(self) -> list[int]:
        """All of its descriptors."""
        return [end.fd for end in (self.line, self.inputs) if end is not None]


@dataclass(frozen=True, slots=True)
class Streams:
    """A child's further descriptors, which it gets when its gate opens: few wait with it.

    Attributes:
        results: The memory file for what the call gives back.
        stdout: Takes the place of descriptor 1; None if that isn't captured.
        stderr: Takes the place of descriptor 2; None if that isn't captured.
    """

    results: int
    stdout: int | None = None
    stderr: int | None = None


def wait_for_gate(line: int) -> Streams | None:
    """In the child: wait until the gate opens; None if it never will."""
    opened, fds = _receive(line)
    if not opened:
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    return Streams(*fds)


def _receive(line: int) -> tuple[bytes, list[int]]:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, line)
    try:
        data, fds, _, _ = socket.recv_fds(end, 1, _MOST_STREAMS)
    except ConnectionError:
        return b"", []
    finally:
        end.detach()
    return data, fds


class Channel:
    """The parent's descriptors for one child. `close` is idempotent.

    Attributes:
        line: The socket to the child.
        outputs: By stream what the child prints, once the gate is open.
        results: The memory file for what the call gives back, once the gate is open; else -1.
        mark: See `ChildEnd`.
    """

    def __init__(self, inputs: int | None = None, capture: bool = False) -> None:
        """Open a channel; `inputs` is a memory file that the channel takes over."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.line, self._capture = ours.detach(), capture
        self._is_gate_open, self._untold = False, bytearray()
        self._lock = threading.Lock()
        self.mark = new_mark()
        self.outputs: dict[str, int] = {}
        self.results = -1
        self._given: list[int] = []
        self.child: ChildEnd | None = ChildEnd(
            SharedFd(theirs.detach()), None if inputs is None else SharedFd(inputs), self.mark
        )
        self._open: set[int] = set()
        self._own(self.line)

    def close_child_end(self) -> None:
        """Close what only the child needs, once it has its copies."""
        # Forgotten first: an interrupt between the two may leave them open, and never has them
        # closed twice, when they may be somebody else's.
        child, self.child = self.child, None
        if child is not None:
            _close_all(child.fds())

    def open_gate(self) -> None:
        """Let the child run.

        Raises:
            OSError: what it needs for that can't be opened.
        """
        with self._lock:
            if self._is_gate_open or self.line not in self._open:
                return
            self._prepare()
            self._is_gate_open = True
            given, self._given = self._given, []
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self.line)
            try:
                socket.send_fds(line, [b"g"], given)
            except ConnectionError:
                pass  # it is gone, which its reader hears of
            finally:
                line.detach()
                _close_all(given)

    def prepare(self) -> None:
        """Open what the child gets with its gate.

        Raises:
            OSError: that isn't possible.
        """
        with self._lock:
            self._prepare()

    def _prepare(self) -> None:
        if self._given:
            return
        results, *outputs = opened = _opened_streams(self._capture)
        self.results = results[0]
        self.outputs = dict(zip(("stdout", "stderr"), (fd for fd, _ in outputs), strict=False))
        for ours, _ in opened:
            self._own(ours)
        self._given = [theirs for _, theirs in opened]

    def _own(self, fd: int) -> None:
        self._open.add(fd)
        _parent_fds.add(fd)

    def tell(self, frame: bytes) -> None:
        """Send the child a frame; in the watcher's thread. Dropped if it listens to none."""
        if self._is_gate_open and len(self._untold) < _MAX_UNTOLD_BYTES:
            self._untold += frame
            self._go_on_telling()

    def _go_on_telling(self) -> None:
        while self._untold and self.line in self._open:
            try:
                del self._untold[: os.write(self.line, self._untold)]
            except BlockingIOError:
                watcher.call_later(_TELL_AGAIN_S, self._go_on_telling)
                return
            except ConnectionError:
                self._untold.clear()

    def is_open(self, fd: int) -> bool:
        """Whether `fd` is one of the parent's descriptors and not closed yet."""
        return fd in self._open

    def take_results(self) -> int:
        """The results' descriptor, now the caller's."""
        self._forget(self.results)
        return self.results

    def close_fd(self, fd: int) -> None:
        """Close one of the parent's descriptors, once."""
        with self._lock:  # not while another thread opens the gate
            self._close_fd(fd)

    def close(self) -> None:
        """Close everything that is still open."""
        self.close_child_end()
        with self._lock:
            for fd in list(self._open):
                self._close_fd(fd)
            _close_all(self._given)
            self._given = []

    def _close_fd(self, fd: int) -> None:
        if fd in self._open:
            self._forget(fd)
            os.close(fd)

    def _forget(self, fd: int) -> None:
        self._open.discard(fd)
        _parent_fds.discard(fd)


def _opened_streams(capture: bool) -> list[tuple[int, int]]:
    """For the results, and for stdout and stderr if they are captured: our end and the child's."""
    with contextlib.ExitStack() as undo:
        results = open_memory_file()
        undo.callback(os.close, results)
        opened = [(results, os.dup(results))]
        undo.callback(os.close, opened[0][1])
        for _ in range(2 if capture else 0):
            read, write = os.pipe()
            undo.callback(_close_all, (read, write))
            opened.append((read, write))
            os.set_blocking(read, False)
            _enlarge(write)
        undo.pop_all()
    return opened


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def _enlarge(fd: int) -> None:
    """Give a pipe room, so that who prints much need not wait for the reader."""
    with contextlib.suppress(AttributeError, OSError):  # elsewhere, or over the user's quota
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


_parent_fds: set[int] = set()


def close_parent_fds() -> None:
    """In a forked child: close the copies of every channel's parent end.

    Otherwise a running job would keep the gates and pipes of its siblings open.
    """
    for fd in _parent_fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    _parent_fds.clear()
