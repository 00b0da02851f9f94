"""How a job is started: what was asked for, what is safe, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caikit_nb.errors import ForkRefusedError
from caikit_nb.execution.fork_rule import Refusal, why_not_fork

if TYPE_CHECKING:  # a job's process needs a choice, and no backends
    from caikit_nb.backends.base import BackendBase

LOCAL = "local"  # the backend that needs no mention
START_METHODS = ("auto", "fork", "forkserver", "spawn", "thread")

_REASONS = {
    "forkserver": "in a fresh interpreter, as asked for",
    "spawn": "in a fresh interpreter, as asked for",
    "thread": "in a thread of the kernel, as asked for",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """How a job will be started.

    Attributes:
        method: ``fork``, ``forkserver``, ``spawn`` or ``thread``.
        reason: Why, in one line for the card.
        single_openmp_thread: Whether OpenMP must keep to one thread in it.
    """

    method: str
    reason: str
    single_openmp_thread: bool = False


def check_start_method(method: str) -> str:
    """The method, if it is one.

    Raises:
        ValueError: it isn't; names those that are.
    """
    if method not in START_METHODS:
        raise ValueError(f"{method!r} is not a start method: use one of {', '.join(START_METHODS)}")
    return method


def choose_start_method(asked: str, *, allow_unsafe_fork: bool = False) -> Choice:
    """Decide between forking the kernel and a fresh interpreter.

    Args:
        asked: One of `START_METHODS`.
        allow_unsafe_fork: Fork where it was asked for, whatever the rule says.

    Raises:
        ForkRefusedError: ``fork`` was asked for where it isn't safe.
    """
    if check_start_method(asked) not in ("auto", "fork"):
        return Choice(asked, _REASONS[asked])
    refusal = why_not_fork()
    if asked == "auto":
        return _automatic(refusal)
    if refusal is None:
        return Choice("fork", "in a copy of the kernel, as asked for")
    if refusal.only_openmp:
        return Choice(
            "fork", f"in a copy of the kernel, OpenMP on one thread: {refusal.reason}", True
        )
    if allow_unsafe_fork:
        return Choice("fork", f"in a copy of the kernel, though {refusal.reason}")
    raise ForkRefusedError(refusal.reason)


def choose_for_backend(
    backend: BackendBase, asked: str | None, setting: str, *, allow_unsafe_fork: bool = False
) -> Choice:
    """Decide how a job starts on a backend.

    Args:
        backend: Where it will run.
        asked: What the job's own options say; None for nothing.
        setting: What the session says, where the backend takes that.
        allow_unsafe_fork: See `choose_start_method`.

    Raises:
        ValueError: the backend doesn't take what was asked for; names what it takes.
        ForkRefusedError: as `choose_start_method`.
    """
    takes, name = backend.start_methods, backend.backend_type.lower()
    wanted = setting if asked is None else asked
    if check_start_method(wanted) != "auto" and wanted not in takes:
        if asked is not None:
            raise ValueError(
                f"backend {name!r} doesn't take start method {asked!r}: "
                f"use one of {', '.join(('auto', *takes))}"
            )
        wanted = "auto"
    if wanted == "auto" and not {"fork", "forkserver"} <= set(takes):
        wanted = takes[0]
    choice = choose_start_method(wanted, allow_unsafe_fork=allow_unsafe_fork)
    if name == LOCAL:
        return choice
    return replace(choice, reason=backend.summary or f"on the backend {name}")


def _automatic(refusal: Refusal | None) -> Choice:
    if refusal is None:
        return Choice("fork", "in a copy of the kernel, with the namespace of that moment")
    return Choice("forkserver", f"in a fresh interpreter, as {refusal.reason}")
