"""The buttons of the jobs on a table's page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ipywidgets import Button

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.table_widgets import TableWidgets
from caikit_nb.notebook.trait_changes import TraitChanges

_INTERRUPT, _CANCEL, _SHOW = "interrupt", "cancel", "show"


class JobButtons:
    """One column for each action, one row for each job.

    A button belongs to one job for good and moves with it. Were the buttons those of the rows,
    a click that waits behind a long cell could reach the job that is in the row by then.

    Args:
        make: Makes them.
        toggle: Shows or hides a job's card.
        acted: Called when a job was to be interrupted or cancelled.
    """

    def __init__(
        self, make: TableWidgets, toggle: Callable[[Job], None], acted: Callable[[], None]
    ) -> None:
        self._make, self._toggle, self._acted = make, toggle, acted
        self._buttons: dict[tuple[Job, str], Button] = {}
        self.box = make.box("buttons")

    def draw(self, changes: TraitChanges, jobs: Sequence[Job], opened: Job | None) -> None:
        """Show the buttons of these jobs, in this order."""
        wanted = [(job, action) for job in jobs for action in _actions(job)]
        for job, action in wanted:
            if (job, action) not in self._buttons:
                self._buttons[job, action] = self._button(job, action)
        for job in jobs:
            word, icon = ("Hide", "chevron-up") if job is opened else ("Show", "chevron-down")
            tooltip = f"{word} the card of {job.spec.name}"
            changes.set(
                self._buttons[job, _SHOW],
                icon=icon,
                description=f"{word} {job.spec.name}",
                tooltip=tooltip,
            )
        changes.set(self.box, children=tuple(self._buttons[key] for key in wanted))
        for key in self._buttons.keys() - set(wanted):
            self._make.drop(self._buttons.pop(key))

    def _button(self, job: Job, action: str) -> Button:
        name = job.spec.name
        looks = {
            _INTERRUPT: ("pause", f"Interrupt {name}", f"Raise KeyboardInterrupt in {name}"),
            _CANCEL: ("stop", f"Cancel {name}", f"Cancel {name} and everything it started"),
            _SHOW: ("chevron-down", f"Show {name}", f"Show the card of {name}"),
        }
        button = self._make.icon_button(action, *looks[action])
        button.on_click(lambda _: self._do(job, action))
        return button

    def _do(self, job: Job, action: str) -> None:
        if action == _SHOW:
            self._toggle(job)
            return
        self._acted()
        if action == _CANCEL:
            job.cancel("cancelled from the table")
        else:
            job.interrupt()


def _actions(job: Job) -> tuple[str, ...]:
    """What can be done with it now."""
    if job.status is JobStatus.RUNNING:
        return _INTERRUPT, _CANCEL, _SHOW
    return (_SHOW,) if job.status.is_terminal else (_CANCEL, _SHOW)
