"""Which part of a value stops it from being pickled."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Container, Sequence
from itertools import islice

from caikit_nb.execution.pickled_parts import Part, pickled_parts
from caikit_nb.execution.pickler import Pickler

_DEPTH_LIMIT = 50
_CHUNK = 10_000  # parts tested at once: few pickles, and a deadline that is kept


class _OutOfTime(Exception):
    pass


def explain_unpicklable(
    name: str, value: object, error: BaseException, *, budget_s: float = 1.0
) -> str:
    """Say in one line which part of a value stops it from being pickled.

    The part is found by pickling ever smaller parts of the value, which runs the value's own
    pickling code again.

    Args:
        name: The variable that holds the value; "" for a job's result.
        value: What could not be pickled.
        error: The error that pickling it raised.
        budget_s: Seconds after which the search stops where it is.

    Returns:
        A line such as ``'model' can't be pickled: its attribute model.steps[1].lock is a
        _thread.lock (cannot pickle '_thread.lock' object)``. Nothing but a KeyboardInterrupt
        is raised.
    """
    search = _Search(Part("itself", name or "result", value), error, time.monotonic() + budget_s)
    try:
        subject = repr(name) if name else "the result"
        found = f"it is nested too deeply to be pickled ({_reason(error)})"
        if not _is_too_deep(error):
            search.run()
            found = search.finding()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - foreign pickling code may raise anything at all
        found = "its parts can't be looked at"
    return " ".join(f"{subject} can't be pickled: {found}".split())


class _Search:
    """The way from a value down to the part that can't be pickled."""

    def __init__(self, top: Part, error: BaseException, deadline: float) -> None:
        self._top = self._part = top
        self._error = error
        self._deadline = deadline
        self._is_complete = False

    def run(self) -> None:
        """Go down into the first part that fails, until none of its own parts does."""
        # The values are kept, so that an id isn't given to another one meanwhile.
        passed: dict[int, object] = {id(self._part.value): self._part.value}
        try:
            for _ in range(_DEPTH_LIMIT):
                failing = self._first_failing(passed)
                if failing is None:
                    self._is_complete = True
                    return
                self._part = failing
                passed[id(failing.value)] = failing.value
        except _OutOfTime:
            return

    def finding(self) -> str:
        """What has been found, in words."""
        reason = _reason(self._error)
        if self._part is self._top:
            return f"it is {self._part.kind_of_value()} ({reason})" if self._is_complete else reason
        if self._is_complete:
            return f"{self._part} is {self._part.kind_of_value()} ({reason})"
        return f"{self._part} holds what stops it ({reason})"

    def _first_failing(self, passed: Container[int]) -> Part | None:
        """The first part of the current one that can't be pickled, by chunks."""
        try:
            parts = pickled_parts(self._part)
            while chunk := list(islice(parts, _CHUNK)):
                new = [part for part in chunk if id(part.value) not in passed]
                error = self._pickling_error(new)
                if error is not None:
                    return self._first_failing_of(new, error)
        except _OutOfTime:
            raise
        except Exception:  # noqa: BLE001 - what can't even be taken apart is itself the culprit
            return None
        return None

    def _first_failing_of(self, parts: Sequence[Part], error: BaseException) -> Part:
        """Halving finds it with little more pickling than all parts cost once."""
        while len(parts) > 1:
            half = parts[: len(parts) // 2]
            half_error = self._pickling_error(half)
            if half_error is None:
                parts = parts[len(half) :]
            else:
                parts, error = half, half_error
        self._error = error
        return parts[0]

    def _pickling_error(self, parts: Sequence[Part]) -> BaseException | None:
        pickler = Pickler(_Sink(self._deadline), 5, buffer_callback=lambda _: None)
        try:
            pickler.dump([part.value for part in parts])
        except (_OutOfTime, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the same code failed a moment ago
            return error
        return None


class _Sink(io.RawIOBase):
    """Takes a pickle, keeps nothing, and ends the pickling when the time is up."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline
        self.write(b"")

    def write(self, data: object, /) -> int:
        if time.monotonic() >= self._deadline:
            raise _OutOfTime
        return memoryview(data).nbytes  # type: ignore[arg-type]


def _is_too_deep(error: BaseException) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    if not text:
        return type(error).__name__
    speaks_of_pickling = isinstance(error, TypeError | pickle.PicklingError)
    return text if speaks_of_pickling else f"{type(error).__name__}: {text}"
