"""Brings a completed job's variables into the namespace, between cells.

Never over what the user has assigned meanwhile. Where several jobs bring a name, it has in the end
the value of the one that was submitted last, whichever ends first. Values are rebuilt and assigned
on the kernel's main thread: at once if it is idle, else right after the running cell.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.forks import only_here
from caikit_nb.execution.outcome import PlainValues, Values
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.states import JobStatus

_ABSENT: Any = object()
_NOT_OVERWRITTEN = "{} was not overwritten, because you reassigned it"
_Values = Values | PlainValues


class Binding:
    """What a name was bound to, without keeping a large value alive where that can be helped."""

    def __init__(self, namespace: dict[str, Any], name: str) -> None:
        value = namespace.get(name, _ABSENT)
        self._is_weak = True
        try:
            self._held: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            self._is_weak, self._held = False, lambda: value

    def still(self, namespace: dict[str, Any], name: str) -> bool:
        """Whether the name is bound to the same object."""
        held = self._held()
        is_gone = self._is_weak and held is None
        return not is_gone and namespace.get(name, _ABSENT) is held


@dataclass(slots=True, eq=False)
class _Expected:
    """A job whose variables are to come home.

    Attributes:
        job: It.
        bindings: What the names were bound to when it was submitted, or to what an earlier job
            has brought since then.
        overtaken_by: Who was submitted later and has brought a name first.
    """

    job: Job
    bindings: dict[str, Binding]
    overtaken_by: dict[str, Job] = field(default_factory=dict)


class Homecoming:
    """Assigns what jobs bring home.

    Args:
        shell: The shell whose namespace it is.
        run_when_idle: Hands a call to the kernel's main thread; None where there is no such way.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        run_when_idle: Callable[[Callable[[], None]], None] | None,
    ) -> None:
        self._shell, self._run_when_idle = shell, run_when_idle
        self._lock = threading.Lock()
        self._expected: list[_Expected] = []  # in the order of their submission
        self._waiting: list[tuple[_Expected, _Values]] = []
        self._before: weakref.WeakKeyDictionary[Job, dict[str, int]] = weakref.WeakKeyDictionary()
        self._brought: dict[str, int] = {}
        self._depth = getattr(shell.display_trap, "_nested_level", 0)
        self._events = {
            "pre_run_cell": only_here(self._before_cell),
            "post_run_cell": only_here(self._after_cell),
        }
        for name, callback in self._events.items():
            shell.events.register(name, callback)

    def close(self) -> None:
        """Assign nothing any more."""
        for name, callback in self._events.items():
            self._shell.events.unregister(name, callback)

    def expect(self, job: Job, names: tuple[str, ...], writes: Iterable[str] = ()) -> None:
        """Assign variables when a job completes, unless they are reassigned until then.

        Args:
            job: It.
            names: The variables.
            writes: All that its cell stores, which may be asked for later (`bring_back`).
        """
        namespace = self._shell.user_ns
        self._before[job] = {name: id(namespace[name]) for name in writes if name in namespace}
        if not names:
            return
        expected = _Expected(job, {name: Binding(namespace, name) for name in names})
        with self._lock:
            self._expected.append(expected)
        job.on_decided.append(lambda _: self._arrived(expected))

    def bring_back(self, job: Job) -> None:
        """Assign what a job's cell has made and nobody has asked for, when the kernel is idle."""
        if self._run_when_idle is not None:
            self._run_when_idle(lambda: self._bring_back(job))

    def _bring_back(self, job: Job) -> None:
        try:
            values = job.made.load()
        except BaseException as error:  # noqa: BLE001 - see `_assign_one`
            job.notes.append(f"nothing was brought back: {_why(error)}")
            job.changed()
            return
        home = [name for name in job.made.untaken if self._bring_one(job, name, values.get(name))]
        job.made.mark_taken(home)
        _say_home(job, home)
        job.changed()

    def _bring_one(self, job: Job, name: str, value: Any) -> bool:
        namespace = self._shell.user_ns
        ours = (self._before.get(job, {}).get(name), self._brought.get(name))
        if name in namespace and id(namespace[name]) not in ours:
            value_is = f"the job's value is {self.future_of(job)}.made[{name!r}]"
            job.notes.append(f"{_NOT_OVERWRITTEN.format(name)}; {value_is}")
            return False
        if isinstance(value, UnpicklableError):
            job.notes.append(f"{name} did not come home: {value}")
            return False
        namespace[name], self._brought[name] = value, id(value)
        return True

    def _arrived(self, expected: _Expected) -> None:
        values = expected.job.values
        with self._lock:
            if expected.job.status is not JobStatus.COMPLETED or values is None:
                self._expected.remove(expected)
                return
            # They are held until they are home, also past the job's retention.
            self._waiting.append((expected, values))
        if self._run_when_idle is not None:
            self._run_when_idle(self._assign_if_idle)

    def _before_cell(self, *_: Any) -> None:
        if self._depth == 0:
            self._assign()
        self._depth += 1

    def _after_cell(self, *_: Any) -> None:
        self._depth = max(0, self._depth - 1)
        self._assign_if_idle()

    def _assign_if_idle(self) -> None:
        if self._depth == 0:
            self._assign()

    def _assign(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for expected, values in waiting:
            job = expected.job
            names = [name for name in expected.bindings if name in values.entries]
            home = [name for name in names if self._assign_one(expected, values, name)]
            with self._lock:
                self._expected.remove(expected)
            _say_home(job, home)
            job.changed()

    def _assign_one(self, expected: _Expected, values: _Values, name: str) -> bool:
        """Assign one variable; says whether it did, and notes why not."""
        namespace, job = self._shell.user_ns, expected.job
        if not expected.bindings[name].still(namespace, name):
            said = _NOT_OVERWRITTEN.format(name)
            if later := expected.overtaken_by.get(name):
                said = (
                    f"{name} was not overwritten, because {later.spec.name}, "
                    "submitted later, brought it"
                )
            value_is = f"the job's value is {self.future_of(job)}.outputs[{name!r}]"
            job.notes.append(f"{said}; {value_is}")
            return False
        try:
            value = values.load(name)
        except BaseException as error:  # noqa: BLE001 - the user's own classes are rebuilt here
            # Also what would end the kernel, as a library that is missing may: `sys.exit`.
            job.notes.append(f"{name} did not come home: {_why(error)}")
            return False
        self._bind(expected, name, value)
        return True

    def _bind(self, expected: _Expected, name: str, value: Any) -> None:
        """Assign a value, and have the other jobs that bring the name know who has done it."""
        namespace = self._shell.user_ns
        with self._lock:
            at = self._expected.index(expected)
            earlier = [each for each in self._expected[:at] if name in each.bindings]
            later = [
                each
                for each in self._expected[at + 1 :]
                if name in each.bindings and each.bindings[name].still(namespace, name)
            ]
        namespace[name], self._brought[name] = value, id(value)
        for each in later:
            each.bindings[name] = Binding(namespace, name)
        for each in earlier:
            each.overtaken_by[name] = expected.job

    def future_of(self, job: Job) -> str:
        """An expression for its future: the name may by now be that of a later job."""
        bound = self._shell.user_ns.get(job.spec.name)
        is_this = isinstance(bound, JobFuture) and bound.id == job.spec.id
        return job.spec.name if is_this else f"caikit_nb.jobs[{job.spec.id!r}]"


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _say_home(job: Job, names: Sequence[str]) -> None:
    if names:
        verb = "is" if len(names) == 1 else "are"
        job.notes.append(f"{', '.join(names)} {verb} in the namespace")
