"""Whether a fork is safe here and now, and if not, why.

A fork copies only the thread that forks. A lock that another thread holds stays locked in the
copy for ever, and some native libraries keep threads or devices that the copy only seems to have.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from caikit_nb.execution.fork_warning import unwarned
from caikit_nb.execution.libc import libc
from caikit_nb.execution.loaded_libraries import loaded_libraries
from caikit_nb.execution.process_state import standing_threads

# Threads that belong to the kernel, the shell or us, and survive a fork by not being needed.
_KNOWN_THREADS = ("ipykernel", "IPython.core", "zmq", "tqdm", "caikit_nb", "execnet")
JOB_THREAD = "caikit_nb job "  # how the threads of jobs are named
_PROBE_S = 0.125
_MOST_PROBES = 80
_SHORT_CODE_S = 0.5
_ASK_AGAIN_S = 0.001


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not to fork.

    Attributes:
        reason: One clause, for people.
        only_openmp: Nothing but an OpenMP pool stands against it, so that a child on one OpenMP
            thread would do.
    """

    reason: str
    only_openmp: bool = False


def why_not_fork() -> Refusal | None:
    """The first reason against forking this process now, or None."""
    reason = _platform() or _thread() or _foreign_threads() or _libraries() or _drivers()
    if reason is not None:
        return Refusal(reason)
    if openmp_pool_runs():
        return Refusal("an OpenMP thread pool has run in this kernel", only_openmp=True)
    return None


def _platform() -> str | None:
    if sys.platform != "linux":
        return f"on {sys.platform} the system's own libraries don't survive a fork"
    return None


def _thread() -> str | None:
    if threading.current_thread() is not threading.main_thread():
        return "this is not the kernel's main thread"
    return None


def _foreign_threads() -> str | None:
    # A thread of C code that has once asked for its name is listed for ever, also when it is gone.
    unknown = [thread for thread in threading.enumerate() if not _is_known(thread)]
    if any(isinstance(thread, threading._DummyThread) for thread in unknown):
        running = _frames_elsewhere().keys()
        unknown = [thread for thread in unknown if thread.ident in running]
    foreign = [thread for thread in unknown if not _comes_to_rest(thread)]
    if not foreign:
        frames = _frames_elsewhere()
        return _threads_of_others(frames) or _notebook_code_in(frames)
    names = sorted(thread.name for thread in foreign)
    jobs = [name.removeprefix(JOB_THREAD) for name in names if name.startswith(JOB_THREAD)]
    if jobs:
        return f"the job {jobs[0]} runs in a thread of this kernel"
    return f"other threads are running ({', '.join(names[:3])})"


def _threads_of_others(frames: Mapping[int, types.FrameType]) -> str | None:
    """Threads that run Python code, and that the module threading has not started."""
    threads = threading.enumerate()
    others = frames.keys() - {thread.ident for thread in threads}
    modules = [_first_module(frames[ident]) for ident in others]
    unknown = sorted(name for name in modules if not _is_of_known(name))
    beginning = sum(thread.ident is None for thread in threads)  # they don't say yet who they are
    if len(unknown) <= beginning:
        return None
    return f"other threads are running (of {unknown[0]}, and not started by threading)"


def _notebook_code_in(frames: Mapping[int, types.FrameType]) -> str | None:
    """Code of the notebook in a thread of the kernel's own: a cell in a subshell, a callback."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in frames.items():
        if "__main__" in _modules(frame):
            return f"code of the notebook runs in another thread ({names.get(ident, ident)})"
    return None


def _frames_elsewhere() -> dict[int, types.FrameType]:
    """What the other threads of this process are in."""
    frames = sys._current_frames()
    # Its own frame would hold itself, and all that is called from until a collection.
    del frames[threading.get_ident()]
    return frames


def _modules(frame: types.FrameType | None) -> Iterator[str]:
    """Of the functions that a thread is in."""
    while frame is not None:
        yield str(frame.f_globals.get("__name__"))
        frame = frame.f_back


def _first_module(frame: types.FrameType) -> str:
    """The module of the function that a thread began with."""
    while frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def _is_of_known(module_name: str) -> bool:
    return any(f"{module_name}.".startswith(f"{known}.") for known in _KNOWN_THREADS)


def _is_known(thread: threading.Thread) -> bool:
    if thread is threading.main_thread():
        return True
    if getattr(thread, "runs_user_code", False):
        return False
    target = getattr(thread, "_target", None)
    owners = (type(thread).__module__, getattr(target, "__module__", None) or "")
    return any(_is_of_known(owner) for owner in owners)


def _comes_to_rest(thread: threading.Thread) -> bool:
    """Whether a piece of the user's code that has just begun in a thread of ours ends at once.

    Who awaits a job goes on before the callback that has woken the loop returns.
    """
    since = getattr(thread, "user_code_since", None)
    if since is None:
        return False
    while getattr(thread, "runs_user_code", False) and time.monotonic() < since + _SHORT_CODE_S:
        time.sleep(_ASK_AGAIN_S)
    return _is_known(thread)


def _libraries() -> str | None:
    for library, state in _STATES.items():
        module = sys.modules.get(library)
        with contextlib.suppress(Exception):
            if module is not None and (what := state(module)):
                return what
    return None


def _torch(torch: object) -> str | None:
    initialized = torch.cuda.is_initialized()  # type: ignore[attr-defined]
    return "CUDA is initialised in torch" if initialized else None


def _cupy(cupy: object) -> str | None:
    return "CUDA may be initialised in cupy"


def _jax(bridge: object) -> str | None:
    backends = getattr(bridge, "_backends", None)
    return "jax has started its backends" if backends else None


_STATES: dict[str, Callable[[object], str | None]] = {
    "torch": _torch,
    "cupy": _cupy,
    "jax._src.xla_bridge": _jax,
    "ray": lambda _: "ray is loaded, and it doesn't survive a fork",
    "grpc._cython.cygrpc": lambda _: "grpc is loaded, and it doesn't survive a fork",
    "polars": lambda _: "polars is loaded, and its thread pool doesn't survive a fork",
    "tensorflow": lambda _: "tensorflow is loaded, and it doesn't survive a fork",
}

# A driver that has been asked for its devices doesn't survive a fork, also where the library that
# asked doesn't count itself as initialised, as torch.cuda.is_available doesn't.
_DRIVERS = ("/dev/nvidia", "/dev/kfd", "/dev/dxg")


def _drivers() -> str | None:
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that listed them
            path = os.readlink(f"/proc/self/fd/{fd}")
            if path.startswith(_DRIVERS):
                return f"the driver of a GPU is in use ({path})"
    return None


_pool_seen: set[str] = set()  # a pool that has run stays until it is ended
_SOFTLY = 1  # omp_pause_soft: what was set stays


def openmp_pool_runs() -> bool:
    """Whether a GNU OpenMP pool has run here (others, such as Intel's, survive a fork).

    That the library is loaded says little, so a short-lived child asks: it enters a parallel
    region, which hangs there if the pool's threads were not copied.
    """
    for path in loaded_libraries("libgomp"):
        if path in _pool_seen:
            return True
        works = _parallel_region_works_in_child(path)
        if works is False:
            _pool_seen.add(path)
        if not works:
            return True
    return False


def end_openmp_pools() -> None:
    """Have OpenMP end the threads that wait for work; the next parallel region makes new ones.

    A copy that is forked then makes its own, also where its code says itself on how many threads
    it runs. Older libraries can't: there a copy has to keep to one thread.
    """
    for path in loaded_libraries("libgomp"):
        pause = getattr(ctypes.CDLL(path), "omp_pause_resource_all", None)
        if pause is not None and pause(_SOFTLY) == 0:
            _pool_seen.discard(path)


def _parallel_region_works_in_child(path: str) -> bool | None:
    """None where the machine is too busy to tell."""
    library = ctypes.CDLL(path)
    with unwarned():
        pid = os.fork()
    if pid == 0:
        try:
            # Two threads, or a machine of one core would answer without any pool.
            library.GOMP_parallel(_c_function(), None, 2, 0)
        finally:
            os._exit(0)
    handle = os.pidfd_open(pid)
    try:
        ended = _ends(handle, pid)
        if not ended:
            os.kill(pid, 9)
        os.waitpid(pid, 0)
    finally:
        os.close(handle)
    return ended


def _ends(handle: int, pid: int) -> bool | None:
    """Whether the process ends; None if it still runs, on a busy machine.

    One that hangs waits for threads that it doesn't have, and stands. In one that ends the main
    thread may sleep as well, until its other thread has got a processor.
    """
    before = None
    for _ in range(_MOST_PROBES):
        if select.select([handle], [], [], _PROBE_S)[0]:
            return True
        now = standing_threads(pid)
        if now is not None and now == before:
            return bool(select.select([handle], [], [], 0)[0])
        before = now
    return None


def _c_function() -> ctypes.c_void_p:
    """A C function that any thread may call with one argument, and that runs no Python."""
    return ctypes.cast(libc.abs, ctypes.c_void_p)
