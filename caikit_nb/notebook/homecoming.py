"""Brings a completed job's variables into the namespace: between cells, never over a rebound one.

Values are rebuilt and assigned on the kernel's main thread: at once if it is idle, else right
after the running cell.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.forks import only_here
from caikit_nb.execution.outcome import PlainValues, Values
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus

_ABSENT: Any = object()
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
        self._waiting: list[tuple[Job, _Values, dict[str, Binding]]] = []
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

    def expect(self, job: Job, names: tuple[str, ...]) -> None:
        """Assign `names` when `job` completes, unless they are rebound until then."""
        if not names:
            return
        namespace = self._shell.user_ns
        bindings = {name: Binding(namespace, name) for name in names}
        job.on_decided.append(lambda job: self._arrived(job, bindings))

    def _arrived(self, job: Job, bindings: dict[str, Binding]) -> None:
        values = job.values
        if job.status is not JobStatus.COMPLETED or values is None:
            return
        with self._lock:  # they are held until they are home, also past the job's retention
            self._waiting.append((job, values, bindings))
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
        for job, values, bindings in waiting:
            names = [name for name in bindings if name in values.entries]
            home = [name for name in names if self._assign_one(job, values, name, bindings[name])]
            if home:
                verb = "is" if len(home) == 1 else "are"
                job.notes.append(f"{', '.join(home)} {verb} in the namespace")
            job.changed()

    def _assign_one(self, job: Job, values: _Values, name: str, binding: Binding) -> bool:
        """Assign one variable; says whether it did, and notes why not."""
        namespace = self._shell.user_ns
        if not binding.still(namespace, name):
            job.notes.append(
                f"{name} was not overwritten, because you reassigned it; "
                f"the job's value is {job.spec.name}.outputs[{name!r}]"
            )
            return False
        try:
            namespace[name] = values.load(name)
        except Exception as error:  # noqa: BLE001 - the user's own classes are rebuilt here
            job.notes.append(f"{name} did not come home: {error}")
            return False
        return True
