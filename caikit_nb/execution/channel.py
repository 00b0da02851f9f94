"""The descriptors between a parent and one child."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

from caikit_nb.execution.places import new_mark
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import watcher

_PIPE_BYTES = 1 << 20
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
    """The child's descriptors; None where a thing is not asked for.

    Attributes:
        messages: Where frames are written.
        gate: Read before the call runs: a byte lets it go, end of file ends the child. Frames
            for the call may follow.
        results: The memory file for what the call gives back.
        inputs: The memory file with the call's inputs.
        stdout: Takes the place of descriptor 1.
        stderr: Takes the place of descriptor 2.
        mark: What stands in the text on stdout before what isn't its text (`places`).
    """

    messages: SharedFd
    gate: SharedFd
    results: SharedFd
    inputs: SharedFd | None = None
    stdout: SharedFd | None = None
    stderr: SharedFd | None = None
    mark: bytes = b""

    def fds(self) -> list[int]:
        """All of them."""
        ends = (self.messages, self.gate, self.results, self.inputs, self.stdout, self.stderr)
        return [end.fd for end in ends if end is not None]


class Channel:
    """The parent's descriptors for one child. `close` is idempotent."""

    def __init__(self, inputs: int | None = None, capture: bool = False) -> None:
        """Open a channel; `inputs` is a memory file that the channel takes over."""
        messages_r, messages_w = os.pipe()
        gate_r, self.gate = os.pipe()
        os.set_blocking(self.gate, False)
        self._is_gate_open, self._untold = False, bytearray()
        results = open_memory_file()
        self.messages, self.results = messages_r, os.dup(results)
        self.outputs: dict[str, int] = {}
        self.mark = new_mark()
        written: dict[str, SharedFd] = {}
        if capture:
            for stream in ("stdout", "stderr"):
                self.outputs[stream], write = os.pipe()
                _enlarge(write)
                written[stream] = SharedFd(write)
        self.child: ChildEnd | None = ChildEnd(
            SharedFd(messages_w),
            SharedFd(gate_r),
            SharedFd(results),
            None if inputs is None else SharedFd(inputs),
            written.get("stdout"),
            written.get("stderr"),
            self.mark,
        )
        self._open = {self.gate, self.messages, self.results, *self.outputs.values()}
        _parent_fds.update(self._open)
        for fd in (self.messages, *self.outputs.values()):
            os.set_blocking(fd, False)

    def close_child_end(self) -> None:
        """Close what only the child needs, once it has its copies."""
        if self.child is not None:
            for fd in self.child.fds():
                os.close(fd)
            self.child = None

    def open_gate(self) -> None:
        """Let the child run."""
        if self.gate in self._open:
            with contextlib.suppress(BrokenPipeError):
                os.write(self.gate, b"g")
            self._is_gate_open = True

    def tell(self, frame: bytes) -> None:
        """Send the child a frame; in the watcher's thread. Dropped if it listens to none."""
        if self._is_gate_open and len(self._untold) < _MAX_UNTOLD_BYTES:
            self._untold += frame
            self._go_on_telling()

    def _go_on_telling(self) -> None:
        while self._untold and self.gate in self._open:
            try:
                del self._untold[: os.write(self.gate, self._untold)]
            except BlockingIOError:
                watcher.call_later(_TELL_AGAIN_S, self._go_on_telling)
                return
            except BrokenPipeError:
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
        if fd in self._open:
            self._forget(fd)
            os.close(fd)

    def close(self) -> None:
        """Close everything that is still open."""
        self.close_child_end()
        for fd in list(self._open):
            self.close_fd(fd)

    def _forget(self, fd: int) -> None:
        self._open.discard(fd)
        _parent_fds.discard(fd)


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
