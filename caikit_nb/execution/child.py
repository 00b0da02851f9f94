"""What runs inside a child: become a process of its own, run the call, report.

Nothing here takes a lock that another thread of the parent could have held at the fork.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from caikit_nb.errors import JobOutOfMemoryError
from caikit_nb.execution import channel, guard, memory, streams
from caikit_nb.execution.call import Call, FormattedError, SealedCall
from caikit_nb.execution.channel import ChildEnd
from caikit_nb.execution.ending import Ending
from caikit_nb.execution.exception_pickler import pack
from caikit_nb.execution.libc import libc
from caikit_nb.execution.messages import Decoder, Message, encode
from caikit_nb.execution.places import IN_TEXT, place
from caikit_nb.execution.transfer import Writer
from caikit_nb.execution.value_pickler import name_classes_in_main

_PR_SET_CHILD_SUBREAPER = 36
ERROR = "error"  # the entry under which a packed exception travels


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child takes over from the place that submitted it.

    Attributes:
        mark: The job's mark (`guard`); 0 for none.
        closed_fds: Descriptors that a forked child must not keep, such as listening sockets.
        directory: The working directory; None keeps the inherited one.
        environment: The environment variables; None keeps the inherited ones.
        module_path: ``sys.path``; None keeps the inherited one.
        fresh_main: Begin with an empty ``__main__``, for functions that were defined in one.
        memory_limit_bytes: How much it may allocate; None for as much as it likes.
        single_openmp_thread: Limit OpenMP to one thread, as its pool does not survive a fork.
        exit_grace_s: How long it may take, once its code has ended, to end what it has begun.
        is_forked: Whether it is a copy of its parent; told when it is started.
        multiprocessing_method: The parent's default start method of multiprocessing; None for the
            platform's. Told when it is started.
    """

    mark: int = 0
    closed_fds: tuple[int, ...] = ()
    directory: str | None = None
    environment: dict[str, str] | None = None
    module_path: tuple[str, ...] | None = None
    fresh_main: bool = False
    memory_limit_bytes: int | None = None
    single_openmp_thread: bool = False
    exit_grace_s: float = 10.0
    is_forked: bool = False
    multiprocessing_method: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """All that a child is started with."""

    call: Call | SealedCall
    end: ChildEnd
    surroundings: Surroundings


class ChildPort:
    """Writes messages to the parent; thread-safe, and silent in processes forked off the child."""

    def __init__(self, end: ChildEnd) -> None:
        self._fd, self._mark = end.line.fd, end.mark
        self._text: int | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def place_in(self, text: int | None) -> None:
        """Where stdout goes: messages that belong at a place in its text leave a mark there."""
        self._text = text

    def send(self, message: Message) -> None:
        """Send a message; what was printed before it goes first."""
        if os.getpid() != self._pid:
            return
        try:
            frame = encode(message)
        except (TypeError, ValueError) as error:
            frame = encode(
                {"kind": "note", "text": f"a {message.get('kind')} is left out: {error}"}
            )
        streams.flush()
        with contextlib.suppress(ConnectionError), self._lock:
            _write(self._fd, frame)
            if message.get(IN_TEXT) and self._text is not None:
                _write(self._text, place(self._mark))

    def greet(self) -> None:
        """Say the first word; end this process if nobody hears it.

        A parent that died while we were made has had its processes ended before we had our mark:
        nobody else would end this one.
        """
        try:
            _write(self._fd, encode({"kind": "hello", "pid": self._pid}))
        except ConnectionError:
            os._exit(0)

    def listen(self, take: Callable[[Message], None]) -> None:
        """Have a thread hand the parent's messages to `take`; once at most."""
        threading.Thread(
            target=self._listen, args=(take,), name="caikit_nb inbox", daemon=True
        ).start()

    def _listen(self, take: Callable[[Message], None]) -> None:
        decoder = Decoder()
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._fd, 1 << 16):
                for message in decoder.feed(data):
                    take(message)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def main(start: Start) -> None:
    """Run a call and report how it ended. The target of every process we start."""
    with _signals_held():
        _become_a_job(start.surroundings)
        channel.close_parent_fds()
        port = ChildPort(start.end)
        port.greet()
        given = channel.wait_for_gate(start.end.line.fd)
        if given is None:
            os._exit(0)
        streams.redirect(given, start.end.mark)
        port.place_in(given.stdout)
        _take_over(start.surroundings)
        ending = Ending(start.surroundings.is_forked)
        grace_s = start.surroundings.exit_grace_s
        # From here on the outcome stands, whatever else happens to this process.
        port.send({"kind": "outcome", **_run(start, given.results, port), "grace_s": grace_s})
        ending.run(grace_s, lambda what: _give_up(port, start.surroundings, what))
        port.send({"kind": "done", **_usage(), **_end_leftovers(start.surroundings)})
        streams.flush()


def _give_up(port: ChildPort, surroundings: Surroundings, what: str) -> None:
    after = f"{surroundings.exit_grace_s:g} s after its code"
    text = f"its process was ended: {after}, it still waited for {what}"
    port.send({"kind": "note", "text": text})
    port.send({"kind": "done", **_usage(), **_end_leftovers(surroundings)})
    os._exit(0)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """An interrupt may reach the call, and never what we do around it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    yield
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _become_a_job(surroundings: Surroundings) -> None:
    with contextlib.suppress(PermissionError):
        os.setsid()
    if surroundings.mark:
        guard.set_mark(surroundings.mark)
        _adopt_orphans()
    memory.go_first()
    signal.set_wakeup_fd(-1)
    # An interrupt of the kernel that came before we had left its group waits here: forget it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for fd in surroundings.closed_fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    # A collection would copy every page that it marks.
    gc.freeze()
    # The user's own multiprocessing must work in a job, which a daemonic process forbids.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]


def _adopt_orphans() -> None:
    """Daemons of the job stay in its tree, so that it can tell whether anything is left."""
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _take_over(surroundings: Surroundings) -> None:
    # multiprocessing makes a child's own start method its default.
    multiprocessing.set_start_method(surroundings.multiprocessing_method, force=True)
    if surroundings.environment is not None:
        _take_over_environment(surroundings.environment)
    if surroundings.fresh_main:
        sys.modules["__main__"] = types.ModuleType("__main__")
        sys.modules["__main__"].__dict__["__builtins__"] = builtins
    if surroundings.module_path is not None:
        sys.path[:] = surroundings.module_path
    if surroundings.directory is not None:
        with contextlib.suppress(OSError):
            os.chdir(surroundings.directory)
    if surroundings.memory_limit_bytes is not None:
        memory.limit_own_memory(surroundings.memory_limit_bytes)
    if surroundings.single_openmp_thread:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, user_api="openmp")


def _take_over_environment(environment: dict[str, str]) -> None:
    """Only what differs: each variable that is set or deleted takes its time."""
    now = dict(os.environ)
    for name in now.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment.items() - now.items())
    if hasattr(time, "tzset"):
        time.tzset()


def _run(start: Start, results: int, port: ChildPort) -> Message:
    """Run the call; the report names where its values or its error lie."""
    writer = Writer(results, shared=True)
    ways_home = (start.end.line.fd, results)
    pid, behind = os.getpid(), _behind(ways_home)
    try:
        try:
            with _interruptible():
                call = _opened(start)
                values = call.runner(call, port)
        finally:
            _end_a_copy(pid)
            if _behind(ways_home) != behind:
                _end_cut_off()
        return {"values": [_entry(writer, name, value) for name, value in values.items()]}
    except FormattedError as formatted:
        error = _explained(formatted.error, start.surroundings)
        return _failure(writer, error, formatted.rendered)
    except BaseException as error:  # noqa: BLE001 - whatever the call raised is its outcome
        return _failure(writer, _explained(error, start.surroundings), ())


def _end_a_copy(pid: int) -> None:
    """The code may have forked by itself, and its copy comes to the end of the code, too."""
    if os.getpid() != pid:
        streams.flush()
        os._exit(0 if sys.exc_info()[0] is None else 1)


def _behind(fds: Iterable[int]) -> list[tuple[int, int] | None]:
    """What lies behind descriptors; None behind one that is closed."""
    found: list[tuple[int, int] | None] = []
    for fd in fds:
        try:
            status = os.fstat(fd)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found


def _end_cut_off() -> NoReturn:
    """Nothing can be told any more, and another file of that number must not be written to."""
    text = "the code has closed descriptors that it had not opened (os.closerange?): no result"
    with contextlib.suppress(OSError):
        streams.flush()
        os.write(2, f"caikit_nb: {text} can be sent\n".encode())
    os._exit(1)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _opened(start: Start) -> Call:
    if isinstance(start.call, Call):
        return start.call
    assert start.end.inputs is not None  # noqa: S101 - a sealed call comes with its inputs
    call = start.call.open(start.end.inputs.fd)
    name_classes_in_main()
    return call


def _entry(writer: Writer, name: str, value: object) -> Message:
    return writer.add(name, value).to_message()


def _explained(error: BaseException, surroundings: Surroundings) -> BaseException:
    """The error; where it tells that the memory limit was met, one that says so."""
    limit_bytes = surroundings.memory_limit_bytes
    if limit_bytes is None or not isinstance(error, MemoryError):
        return error
    memory.lift_own_limit()  # or there may not be enough to tell of it
    text = f"the job was refused memory past its limit of {memory.in_words(limit_bytes)}"
    refused = JobOutOfMemoryError(f"{text}: {error}" if str(error) else text)
    refused.__cause__ = error
    return refused


def _failure(writer: Writer, error: BaseException, rendered: tuple[str, ...]) -> Message:
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return {"values": [_entry(writer, "", None)]}
    packed = pack(error, rendered)
    entry = writer.add(ERROR, packed)
    if entry.error is not None:  # only a node's bytes could fail, and those were tried
        nodes = tuple(dataclasses.replace(node, pickled=None) for node in packed.nodes)
        entry = writer.add(ERROR, dataclasses.replace(packed, nodes=nodes))
    return {"error": entry.to_message()}


def _usage() -> Message:
    own = resource.getrusage(resource.RUSAGE_SELF)
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + waited_for.ru_utime + waited_for.ru_stime
    return {"cpu_time_s": cpu}


def _end_leftovers(surroundings: Surroundings) -> Message:
    """End what the job has started, while its orphans are still ours."""
    ended = guard.kill_own() if surroundings.mark and _has_children() else ()
    return {"leftover_processes": len(ended), "has_children": _has_children()}


def _has_children() -> bool:
    """Whether anything that the job started still lives."""
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
    except ChildProcessError:
        return False
