"""The end of a job's process: what Python does at the end of a program.

Tasks of asyncio are finished, executors are told to stop, threads and processes are waited for,
the handlers of `atexit` run, files are flushed. All this is done for the job's own things. What a
forked copy has inherited goes on in the kernel: its handlers and finalizers don't run here, and its
executors aren't woken.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import logging
import multiprocessing
import multiprocessing.util
import os
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from caikit_nb.execution import io_kinds

# Where executors keep what they tell at the end of a program, and joblib the one that it reuses.
_REGISTRIES = {
    "concurrent.futures.thread": "_threads_queues",
    "concurrent.futures.process": "_threads_wakeups",
    "loky.process_executor": "_threads_wakeups",
    "joblib.externals.loky.process_executor": "_threads_wakeups",
}
_REUSED = ("loky.reusable_executor", "joblib.externals.loky.reusable_executor")
# Of other kinds than `io`'s, which also leave something unfinished.
_FILES = (
    ("zipfile", "ZipFile"),
    ("tarfile", "TarFile"),
    ("tempfile", "_TemporaryFileWrapper"),
    ("h5py", "File"),
)
_BUFFERS = (io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair, io.BufferedReader)
_EXECUTORS, _THREADS, _CHILDREN = "an executor", "a thread", "a process of multiprocessing"
_LONGEST_LIST = 3

_unfinished: list[tuple[str, Callable[[], object]]] = []
_let_go: list[Callable[[], object]] = []


def finish_first(what: str, finish: Callable[[], object]) -> None:
    """Have `finish` called before all else at the end; it waits for `what`, as a clause."""
    _unfinished.append((what, finish))


def when_code_has_ended(let_go: Callable[[], object]) -> None:
    """Have `let_go` called after the handlers of `atexit`: it drops what only the code has held."""
    _let_go.append(let_go)


class Ending:
    """Made when the job begins; `run` when its outcome is known.

    Args:
        is_forked: Whether this process is a copy of its parent.
    """

    def __init__(self, is_forked: bool) -> None:
        self._is_over = threading.Event()
        self._step = ""
        self._inherited_handlers = frozenset(map(id, _log_handlers()))
        if is_forked:
            _disown()
        # From Python 3.13 on a process of multiprocessing begins without handlers, which
        # finalizers that its fork server has made don't hear of.
        weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
        # It is a step of its own.
        atexit.unregister(multiprocessing.util._exit_function)  # type: ignore[attr-defined]

    def run(self, grace_s: float, give_up: Callable[[str], object]) -> None:
        """End all that the job has begun.

        Args:
            grace_s: How long this may take, in seconds.
            give_up: Called in another thread when it has taken longer, with what is waited for,
                as a clause; it ends the process.
        """
        end_by = time.monotonic() + grace_s
        threading.Thread(
            target=self._watch, args=(grace_s, give_up), name="caikit_nb ending", daemon=True
        ).start()
        for step, what in (
            *_unfinished,
            (_EXECUTORS, _stop_executors),
            (_THREADS, lambda: _join_threads(end_by)),
            ("a handler of atexit", atexit._run_exitfuncs),
            (_CHILDREN, multiprocessing.util._exit_function),  # type: ignore[attr-defined]
            ("a handler of logging", self._close_handlers),
            ("an object to be finalized", _finalize),
            ("a file to be written", _close_files),
        ):
            self._step = step
            with _told():
                what()
        self._is_over.set()

    def _watch(self, grace_s: float, give_up: Callable[[str], object]) -> None:
        if not self._is_over.wait(grace_s):
            give_up(self._waits_for())

    def _waits_for(self) -> str:
        named = [f"the thread {thread.name}" for thread in _own_threads()]
        if self._step == _CHILDREN:
            named = [f"the process {child.name}" for child in multiprocessing.active_children()]
        if not named or self._step not in (_EXECUTORS, _THREADS, _CHILDREN):
            return self._step
        more = len(named) - _LONGEST_LIST
        return ", ".join(named[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")

    def _close_handlers(self) -> None:
        own = [
            weakref.ref(handler)
            for handler in _log_handlers()
            if id(handler) not in self._inherited_handlers
        ]
        logging.shutdown(own)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What fails is written to the job's log, as at a program's end, and the end goes on."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - whatever the user's handlers raise
        hook = sys.unraisablehook
        about = types.SimpleNamespace(
            exc_type=type(error),
            exc_value=error,
            exc_traceback=error.__traceback__,
            err_msg="Exception ignored at the end of the job",
            object=None,
        )
        with contextlib.suppress(Exception):
            hook(about)


def _disown() -> None:
    """What was there before the fork is the kernel's to end, and can't be used here."""
    _forget_fork_server()
    atexit._clear()
    _unfinished.clear()
    _let_go.clear()
    for module_name, name in _REGISTRIES.items():
        registry = getattr(sys.modules.get(module_name), name, None)
        if registry is not None:
            registry.clear()
    for module_name in _REUSED:
        module: Any = sys.modules.get(module_name)
        if module is not None:
            module._executor = module._executor_kwargs = None
    finalize: Any = weakref.finalize
    for info in list(finalize._registry.values()):
        info.atexit = False


def _forget_fork_server() -> None:
    """The next one that is needed is started here: of another process's nobody hears the ends."""
    module: Any = sys.modules.get("multiprocessing.forkserver")
    server = getattr(module, "_forkserver", None)
    if server is None or server._forkserver_alive_fd is None:
        return
    with contextlib.suppress(OSError):
        os.close(server._forkserver_alive_fd)  # our copy would keep it alive past the kernel
    preload = server._preload_modules
    server.__init__()
    server._preload_modules = preload


def _stop_executors() -> None:
    """As `threading` does before it joins: whoever waits for work is told that there is no more."""
    handlers: Any = getattr(threading, "_threading_atexits", [])
    while handlers:
        with _told():
            handlers.pop()()


def _own_threads() -> list[threading.Thread]:
    current = threading.current_thread(), threading.main_thread()
    return [each for each in threading.enumerate() if not each.daemon and each not in current]


def _join_threads(end_by: float) -> None:
    while threads := _own_threads():
        for thread in threads:
            thread.join(max(0.0, end_by - time.monotonic()))
        if time.monotonic() >= end_by:
            threading.Event().wait()  # until the process is ended


def _log_handlers() -> list[logging.Handler]:
    references: Any = logging._handlerList  # type: ignore[attr-defined]
    return [handler for reference in list(references) if (handler := reference()) is not None]


def _finalize() -> None:
    """Drop what the code has held, so that objects finish what they have begun."""
    if _has_daemons():
        _let_go.clear()  # they go on to the very end, and would miss what they use
    while _let_go:
        with _told():
            _let_go.pop()()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    gc.collect()


def _has_daemons() -> bool:
    """Whether threads of the code's own run on that a program's end doesn't wait for."""
    return any(
        thread.daemon and not thread.name.startswith("caikit_nb")
        for thread in threading.enumerate()
    )


def _close_files() -> None:
    """Those that something still holds."""
    kinds = (io_kinds.FILE, *_other_kinds())
    # By their types: to ask an object may run the user's code. What was inherited is frozen.
    own = [each for each in gc.get_objects() if issubclass(type(each), kinds)]
    for file in sorted(own, key=_layer):
        if _is_to_be_closed(file):
            with _told():
                file.close()


def _other_kinds() -> Iterator[type]:
    for module_name, name in _FILES:
        kind = getattr(sys.modules.get(module_name), name, None)
        if isinstance(kind, type):
            yield kind


def _layer(file: Any) -> int:
    """Outer ones write to inner ones when they are closed: text, archives, buffers, raw files."""
    if issubclass(type(file), io_kinds.TEXT):
        return 0
    if issubclass(type(file), _BUFFERS):
        return 2
    return 3 if issubclass(type(file), io_kinds.RAW) else 1


def _is_to_be_closed(file: Any) -> bool:
    if not issubclass(type(file), io_kinds.FILE):
        return True
    try:
        return not file.closed and file.writable() and not _is_a_stream(file)
    except Exception:  # noqa: BLE001 - the user's own class
        return False


def _is_a_stream(file: Any) -> bool:
    """Of this process, and so needed to the last."""
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return any(
        file in (each, getattr(each, "buffer", None), getattr(getattr(each, "buffer", 0), "raw", 0))
        for each in streams
    )
