"""How a call ended: returned, raised, or died; and what the evidence says about a death."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.call import RESULT
from caikit_nb.execution.exception_pickler import PackedError
from caikit_nb.execution.transfer import Entry, Store


class Values:
    """What a call gave back, still sealed: rebuilt, together, when the first is asked for.

    Args:
        store: Where they lie.
        entries: The values, in the order they were written.
    """

    def __init__(self, store: Store, entries: Sequence[Entry]) -> None:
        self._store: Store | None = store
        self.entries = {entry.name: entry for entry in entries}
        self._loaded: dict[str, Any] = {}
        self._lock = threading.RLock()

    def load(self, name: str = RESULT) -> Any:
        """The value of that name.

        Raises:
            KeyError: there is none.
            UnpicklableError: it could not cross.
        """
        with self._lock:
            if self._store is not None:
                self._loaded = self._store.load_all(list(self.entries.values()))
                self._store = None  # what was read holds on to the memory that it needs
        value = self._loaded[name]
        if isinstance(value, UnpicklableError):
            raise value
        return value

    def drop(self) -> None:
        """Forget them, whoever holds on to us. Takes no lock."""
        self._store, self._loaded = None, {}

    @property
    def size_bytes(self) -> int:
        """Bytes held."""
        return sum(entry.size_bytes for entry in self.entries.values())


@dataclass(frozen=True, slots=True)
class PlainValues:
    """Values of a call that ran in this process."""

    values: dict[str, Any]
    size_bytes: int = 0

    def load(self, name: str = RESULT) -> Any:
        """The value of that name; KeyError if there is none."""
        return self.values[name]

    def drop(self) -> None:
        """Forget them, whoever holds on to us."""
        self.values.clear()

    @property
    def entries(self) -> dict[str, Any]:
        """The values by name."""
        return self.values


@dataclass(frozen=True, slots=True)
class Usage:
    """What the call used, as far as known."""

    cpu_time_s: float | None = None
    peak_memory_bytes: int | None = None
    leftover_processes: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned."""

    values: Values | PlainValues
    usage: Usage


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised; `error` is an exception (same process) or a packed one."""

    error: PackedError | BaseException
    usage: Usage


@dataclass(frozen=True, slots=True)
class Died:
    """The process ended without an answer.

    Attributes:
        exit_code: The exit status, negative for a signal; None if unknown.
        by_us: Whether we sent the signal.
        memory: What the evidence says if it died for want of memory; empty if it does not.
        silence: Why it was ended before it had begun; empty if it was not.
    """

    exit_code: int | None
    by_us: bool
    usage: Usage
    memory: str = ""
    silence: str = ""

    @property
    def explanation(self) -> str:
        """What is known, in one line."""
        return self.memory or self.silence or explain_exit(self.exit_code, self.by_us)


Outcome = Returned | Raised | Died


def explain_exit(exit_code: int | None, by_us: bool) -> str:
    """What an exit status says about a death, and no more than that."""
    if exit_code is None:
        return "the job's process is gone, and why is unknown"
    if exit_code >= 0:
        return f"the job's process exited with code {exit_code} before it gave a result"
    name = _signal_name(-exit_code)
    who = "sent by caikit_nb" if by_us else _SIGNAL_HINTS.get(-exit_code, "sender unknown")
    return f"the job's process was killed by {name} ({who})"


_SIGNAL_HINTS = {
    int(signal.SIGSEGV): "it crashed in native code",
    int(signal.SIGABRT): "it aborted in native code",
    int(signal.SIGBUS): "it crashed in native code",
    int(signal.SIGFPE): "it crashed in native code",
    int(signal.SIGILL): "it crashed in native code",
}


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
