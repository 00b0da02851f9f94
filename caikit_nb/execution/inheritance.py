"""What can cross to a process only as it is started: multiprocessing's locks, queues and pipes.

multiprocessing lets them be pickled only while one of its processes is being started. Our inputs
are pickled when a job is submitted, which may be long before. So what stands for the process
then collects the descriptors, and hands them on when the process is started.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from multiprocessing import context, reduction, synchronize
from typing import Any

from caikit_nb.execution.channel import SharedFd

# Pickled by everybody, and better by cloudpickle.
_OF_EVERYBODY = ("builtins", "functools")


class Inheritance:
    """What a call's inputs bring along beside their pickles.

    Attributes:
        kept: What must live here until the process has taken it over by its name.
    """

    def __init__(self, fds: Iterable[int] = ()) -> None:
        self._fds = list(fds)
        self.kept: list[object] = []

    # What multiprocessing asks of a process that is being started.
    def duplicate_for_child(self, fd: int) -> int:
        """Take a copy of a descriptor; returns the number that stands for it."""
        self._fds.append(os.dup(fd))
        return len(self._fds) - 1

    @staticmethod
    def DupFd(number: int) -> InheritedFd:  # noqa: N802 - multiprocessing's own name
        """What is pickled for a descriptor."""
        return InheritedFd(number)

    def reduced(self, obj: Any) -> Any:
        """How multiprocessing pickles one of its own objects; NotImplemented for all others."""
        if isinstance(obj, synchronize.SemLock):
            self.kept.append(obj)
        kind = type(obj)
        reducer = reduction.ForkingPickler._extra_reducers.get(kind)  # type: ignore[attr-defined]
        if reducer is None or kind.__module__ in _OF_EVERYBODY:
            return NotImplemented
        if not reducer.__module__.startswith("multiprocessing."):
            return NotImplemented  # torch shares a tensor's memory, and a job has a copy
        if kind.__module__ == "ctypes" and not hasattr(obj, "_wrapper"):
            return NotImplemented  # of a type of which another one is shared
        return reducer(obj)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Inside, this thread pickles for the process."""
        before = context.get_spawning_popen()
        context.set_spawning_popen(self)  # type: ignore[arg-type]
        try:
            yield
        finally:
            context.set_spawning_popen(before)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, this process unpickles what was pickled for it."""
        InheritedFd.fds = self._fds
        try:
            yield
        finally:
            InheritedFd.fds = []

    def copy(self) -> Inheritance:
        """The same for another process."""
        other = Inheritance(os.dup(fd) for fd in self._fds)
        other.kept = self.kept
        return other

    def close(self) -> None:
        """Close the descriptors: the process has its copies, or there will be none."""
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)

    def __reduce__(self) -> Any:
        return _inherited, tuple(SharedFd(fd) for fd in self._fds)


def _inherited(*shared: SharedFd) -> Inheritance:
    return Inheritance(each.fd for each in shared)


class InheritedFd:
    """Stands for a descriptor in a pickle."""

    fds: list[int] = []  # noqa: RUF012 - those of this process

    def __init__(self, number: int) -> None:
        self.number = number

    def detach(self) -> int:
        """The descriptor, in the process that has it."""
        return self.fds[self.number]
