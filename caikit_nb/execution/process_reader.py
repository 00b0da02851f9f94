"""Reads one process for the watcher: its output, its messages, its exit."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Protocol

from caikit_nb.execution import guard, memory
from caikit_nb.execution.channel import Channel
from caikit_nb.execution.exit_fd import open_exit_fd
from caikit_nb.execution.memory import MemoryWatch
from caikit_nb.execution.messages import Decoder, Message
from caikit_nb.execution.outcome import Died, Outcome, Raised, Returned, Usage, Values
from caikit_nb.execution.places import IN_TEXT, PLACE, Places
from caikit_nb.execution.process_state import wants_to_run
from caikit_nb.execution.reports import Reports
from caikit_nb.execution.transfer import Entry, Store
from caikit_nb.execution.watcher import Timer, guarded, watcher

logger = Reports(__name__)

_READ_BYTES = 1 << 18
# Who prints line by line would else wake us for each line. So much may wait in the smallest pipe.
_REST_S, _SHORT_REST_S = 0.04, 0.005
_LITTLE_BYTES = 1 << 13
_PIPE_READS = 16  # a pipe holds 64 KiB, and 1 MiB at most
_DRAIN_READS = 1024  # after the exit, take at most this many pieces of 256 KiB more
_LOOK_AGAIN_S = 1.0  # for what could not be looked for
SIGN_OF_LIFE_S = 5.0  # how long a forked process may take to its first word
_LONGEST_SILENCE_S = 60.0  # and where it seems to run
_SILENCE = (
    "the job's process gave no sign of life after the fork and was ended: another thread of the "
    "kernel held a lock at that moment; use -m forkserver"
)
_LINGER_S = 5.0  # how long a process may take to exit once it has reported


class ProcessListener(Protocol):
    """Hears of a process. Called in the watcher's thread: be quick, and don't run user code."""

    def on_output(self, stream: str, data: bytes) -> None:
        """The process wrote `data` to ``stdout`` or ``stderr``."""

    def on_message(self, message: Message) -> None:
        """The process sent a message."""

    def on_end(self, outcome: Outcome) -> None:
        """The process is gone, and so is all that it started."""


class Silent:
    """A listener that doesn't care."""

    def on_output(self, stream: str, data: bytes) -> None:
        """Ignore."""

    def on_message(self, message: Message) -> None:
        """Ignore."""

    def on_end(self, outcome: Outcome) -> None:
        """Ignore."""


def _ignore(*_: object) -> None:
    """Takes the place of a callback that is done with."""


class ProcessReader:
    """Everything but the constructor runs in the watcher's thread."""

    def __init__(
        self,
        channel: Channel,
        mark: int,
        listener: ProcessListener,
        popen: Any,
        settle: Callable[[Outcome], None],
        kill: Callable[[], None],
        memory_limit_bytes: int | None = None,
    ) -> None:
        """Read `channel`; call `settle` with the outcome and `kill` for one that must end."""
        self._channel, self._mark, self._listener = channel, mark, listener
        self._popen, self._settle, self._kill = popen, settle, kill
        self._decoder, self._places = Decoder(), Places(channel.mark)
        self._placed: deque[Message] = deque()  # whose places in the text weren't read yet
        self._report: Message | None = None  # of the outcome, and later of what it has used
        self._usage: Message = {}
        self._linger: Timer | None = None
        self._patience: Timer | None = None
        self._gave_up = False
        self._attached = 0.0
        self._watched: set[int] = set()
        self.signaled = False
        self._has_greeted = False
        self._untold: list[Callable[[], object]] = []
        self._oom_kills = memory.oom_kills()
        self._memory = MemoryWatch(popen.pid, mark, memory_limit_bytes, kill)
        # Here and not in `attach`: before anybody else can wait for it and free its number.
        self._exit_fd = open_exit_fd(popen)

    def attach(self) -> None:
        """Start to read."""
        self._watch(self._channel.line, self._read_messages)
        watcher.add_reader(self._exit_fd, self._on_exit)
        self._memory.start()
        self._attached = time.monotonic()
        if self._popen.method == "fork":
            self._patience = watcher.call_later(SIGN_OF_LIFE_S, self._give_up)

    def attach_outputs(self) -> None:
        """Read what it prints: its gate is open."""
        for stream, fd in self._channel.outputs.items():
            self._watch(fd, functools.partial(self._on_output, stream, fd))

    def once_greeted(self, tell: Callable[[], object]) -> None:
        """Call `tell` once the process has spoken: until then it forgets interrupts."""
        if self._has_greeted:
            tell()
        else:
            self._untold.append(tell)

    def _watch(self, fd: int, callback: Callable[[], object]) -> None:
        if self._channel.is_open(fd) and fd not in self._watched:
            self._watched.add(fd)
            watcher.add_reader(fd, callback)

    def _give_up(self) -> None:
        self._read_messages()  # a cell may have held up this thread for longer than the process
        if self._patience is None:
            return
        waited_s = time.monotonic() - self._attached
        if waited_s < _LONGEST_SILENCE_S and wants_to_run(self._popen.pid):
            # It is no lock that keeps it but the machine, which is busy.
            self._patience = watcher.call_later(SIGN_OF_LIFE_S / 5, self._give_up)
            return
        self._gave_up = True
        self._kill()

    def _on_output(self, stream: str, fd: int) -> None:
        size = self._read_output(stream, fd)
        if size and self._channel.is_open(fd):
            watcher.rest_reader(fd, _REST_S if size < _LITTLE_BYTES else _SHORT_REST_S)

    def _read_output(self, stream: str, fd: int) -> int:
        data = self._read(fd)
        pieces = self._places.split(data) if stream == "stdout" else [(stream, data)]
        for kind, text in pieces:
            if kind != stream:
                self._read_descriptor_2()
            if kind == PLACE:
                self._tell_placed()
            else:
                self._tell_text(kind, text)
        return len(data)

    def _tell_text(self, stream: str, text: bytes) -> None:
        if text:
            guarded(lambda: self._listener.on_output(stream, text))

    def _tell_placed(self) -> None:
        """The message whose place in the text this is; it was sent before the mark."""
        while not self._placed and self._take_messages():
            pass
        if self._placed:
            message = self._placed.popleft()
            guarded(lambda: self._listener.on_message(message))

    def _read_descriptor_2(self) -> None:
        """What is there was written before what is read next, by programs and libraries in C."""
        if "stderr" in self._channel.outputs:
            self._read_output("stderr", self._channel.outputs["stderr"])

    def _read_messages(self) -> None:
        # What was printed before a message was sent must be seen before it.
        for stream, fd in self._channel.outputs.items():
            # More than a pipe holds was printed after it, and a flood would never end.
            for _ in range(_PIPE_READS):
                if not self._read_output(stream, fd):
                    break
        self._take_messages()

    def _take_messages(self) -> bool:
        data = self._read(self._channel.line)
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except (ValueError, RecursionError) as error:
            logger.warning("process %s wrote what is no message: %s", self._popen.pid, error)
            self._close(self._channel.line)
        return bool(data)

    def _read(self, fd: int) -> bytes:
        """What is there now; at the end of the file the descriptor is given up."""
        if not self._channel.is_open(fd):
            return b""
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        except ConnectionError:  # it went without hearing what it was told
            data = b""
        if not data:
            self._close(fd)
        return data

    def _close(self, fd: int) -> None:
        if fd in self._watched:
            self._watched.discard(fd)
            watcher.remove_reader(fd)
        self._channel.close_fd(fd)

    def _on_message(self, message: Message) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if not self._has_greeted:
            self._has_greeted, untold, self._untold = True, self._untold, []
            for tell in untold:
                tell()
        if message.get("kind") == "outcome":
            self._report = message
            self._linger = watcher.call_later(message["grace_s"] + _LINGER_S, self._kill)
            guarded(lambda: self._listener.on_message({"kind": "ending"}))
        elif message.get("kind") == "done" and self._linger is not None:
            self._usage = message
            self._linger.cancel()
            self._linger = watcher.call_later(_LINGER_S, self._kill)
        elif message.get(IN_TEXT) and self._channel.outputs:
            self._placed.append(message)
        else:
            guarded(lambda: self._listener.on_message(message))

    def _on_exit(self) -> None:
        watcher.remove_reader(self._exit_fd)
        os.close(self._exit_fd)
        # While nobody has waited for it, no other process has its number.
        leftover = self._end_leftovers()
        code = self._popen.poll()  # None if somebody else has waited for it
        self._drain()
        self._memory.stop()
        leftover += self._usage.get("leftover_processes", 0)
        for timer in (self._linger, self._patience):
            if timer is not None:
                timer.cancel()
        try:
            outcome = self._outcome(code, leftover)
        except Exception as error:  # noqa: BLE001 - its file or its report was damaged
            outcome = Raised(error, Usage(leftover_processes=leftover))
        self._channel.close()
        self._settle(outcome)
        listener = self._listener
        # The process holds us: not in a circle, or what it returned would outlive its retention.
        self._settle, self._kill, self._listener = _ignore, _ignore, Silent()
        self._untold.clear()
        self._memory.forget()
        listener.on_end(outcome)

    def _end_leftovers(self) -> int:
        """End what the process started; a clean report says when there is nothing to look for."""
        if not self._mark or not self._usage.get("has_children", True):
            return 0
        pid, strays = self._popen.pid, self._memory.strays
        try:
            return len(guard.kill_marked(self._mark, self._mark, leader=pid, strays=strays))
        except OSError as error:  # no descriptor is left to look at processes with
            logger.warning("what process %s started ends later: %s", pid, error)
            _end_later(self._mark, strays)
            return 0

    def _drain(self) -> None:
        for stream, fd in self._channel.outputs.items():
            for _ in range(_DRAIN_READS):
                if not self._read_output(stream, fd):
                    break
        while self._take_messages():
            pass
        while self._placed:  # it was ended before it could leave their marks
            self._tell_placed()
        self._tell_text(*self._places.rest())
        for fd in (self._channel.line, *self._channel.outputs.values()):
            self._close(fd)

    def _out_of_memory(self, code: int | None) -> str:
        """What the evidence says: our own limit, or the system's count of such kills."""
        if self._memory.exceeded:
            return self._memory.verdict
        killed = code == -signal.SIGKILL and not self.signaled
        kills = memory.oom_kills()
        if killed and kills is not None and self._oom_kills is not None and kills > self._oom_kills:
            return (
                f"the system ran out of memory and killed the job's process{self._memory.peak_text}"
            )
        return ""

    def _outcome(self, code: int | None, leftover: int) -> Outcome:
        if self._report is None:
            usage = Usage(None, self._memory.peak_bytes or None, leftover)
            silence = _SILENCE if self._gave_up else ""
            return Died(code, self.signaled, usage, self._out_of_memory(code), silence)
        cpu_time_s = self._usage.get("cpu_time_s")
        usage = Usage(cpu_time_s, self._memory.peak_bytes or None, leftover)
        store = Store(self._channel.take_results())
        if "error" in self._report:
            return Raised(store.load(Entry.from_message(self._report["error"])), usage)
        entries = [Entry.from_message(data) for data in self._report["values"]]
        return Returned(Values(store, entries), usage)


def _end_later(mark: int, strays: Collection[guard.Process]) -> None:
    """End what a process has started that is gone, as soon as the system lets us look for it."""

    def look() -> None:
        try:
            guard.kill_marked(mark, mark, strays=strays)
        except OSError:
            _end_later(mark, strays)

    watcher.call_later(_LOOK_AGAIN_S, look)
