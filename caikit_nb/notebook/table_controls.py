"""What one chooses jobs with: filters, headings that sort, and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.looks import LOOKS
from caikit_nb.notebook.table_choice import COLUMNS, Choice
from caikit_nb.notebook.table_widgets import TableWidgets
from caikit_nb.notebook.trait_changes import TraitChanges

_STATES = (
    None,
    JobStatus.RUNNING,
    JobStatus.QUEUED,
    JobStatus.COMPLETED,
    JobStatus.ERRORED,
    JobStatus.CANCELED,
    JobStatus.PRUNED,
)
_PLAIN_HEADINGS = ("how", "note")


class StateFilter:
    """A button for each state that there is, with the number of its jobs."""

    def __init__(self, make: TableWidgets, choose: Callable[[JobStatus | None], None]) -> None:
        self._buttons = {status: make.button() for status in _STATES}
        for status, button in self._buttons.items():
            button.on_click(lambda _, status=status: choose(status))
        self.box = make.box("states")

    def draw(
        self, changes: TraitChanges, counts: Counter[JobStatus], chosen: JobStatus | None
    ) -> None:
        """Show these numbers."""
        shown = [s for s in _STATES if s is None or counts[s] or s is chosen]
        for status in shown:
            number = counts.total() if status is None else counts[status]
            word = "all" if status is None else f"{LOOKS[status].sign} {LOOKS[status].word}"
            now = ", as now" if status is chosen else ""
            changes.set(
                self._buttons[status],
                description=f"{word} {number}",
                tooltip=f"Show {'all' if status is None else LOOKS[status].word} jobs{now}",
                button_style="primary" if status is chosen else "",
            )
        changes.set(self.box, children=tuple(self._buttons[status] for status in shown))


class Headings:
    """The columns' names; those that can be sorted by are buttons."""

    def __init__(self, make: TableWidgets, sort: Callable[[str], None]) -> None:
        self._buttons = {name: make.button() for name in COLUMNS}
        for name, button in self._buttons.items():
            button.on_click(lambda _, name=name: sort(name))
        plain = [make.html(value=name) for name in _PLAIN_HEADINGS]
        self.box = make.box("heads", [*self._buttons.values(), *plain])

    def draw(self, changes: TraitChanges, choice: Choice) -> None:
        """Show what the jobs are sorted by."""
        for name, button in self._buttons.items():
            sign = "" if name != choice.column else " ▼" if choice.descending else " ▲"
            changes.set(button, description=name + sign, tooltip=_next_order(name, choice))


def _next_order(name: str, choice: Choice) -> str:
    after = choice.sorted_by(name)
    column = COLUMNS[name]
    if after.column is None:
        return "Back to the usual order: active jobs first, then the newest"
    return f"Sort by {name}, {column.down if after.descending else column.up}"


class Pager:
    """Goes through what doesn't fit on one page.

    Args:
        make: Makes its widgets.
        go_to: Called with a page's number, from 0.
        rows: How many a page has.
    """

    def __init__(self, make: TableWidgets, go_to: Callable[[int], None], rows: int) -> None:
        self._rows = rows
        self._range = make.html()
        self._previous = make.icon_button("", "chevron-left", "Previous page")
        self._next = make.icon_button("", "chevron-right", "Next page")
        self._page = 0
        self._previous.on_click(lambda _: go_to(self._page - 1))
        self._next.on_click(lambda _: go_to(self._page + 1))
        self.box = make.box("pager")

    def draw(self, changes: TraitChanges, wanted: int, found: int) -> range:
        """Show where one is; returns which of the jobs that were found are on the page."""
        last = max(0, -(-found // self._rows) - 1)
        self._page = min(max(0, wanted), last)
        start = self._page * self._rows
        shown = range(start, min(found, start + self._rows))
        if last == 0:
            changes.set(self.box, children=())
            return shown
        changes.set(self._range, value=f"{shown.start + 1}–{shown.stop} of {found}")
        changes.set(self._previous, disabled=self._page == 0)
        changes.set(self._next, disabled=self._page == last)
        changes.set(self.box, children=(self._range, self._previous, self._next))
        return shown


class TableControls:
    """All of them, and what was chosen.

    Args:
        make: Makes their widgets.
        on_change: Called when something else was chosen, in the thread of the kernel's messages.
        rows: How many a page has.

    Attributes:
        choice: What was chosen.
        page: The page that was chosen, from 0.
    """

    def __init__(self, make: TableWidgets, on_change: Callable[[], None], rows: int) -> None:
        self._on_change = on_change
        self.choice, self.page = Choice(), 0
        self._states = StateFilter(make, lambda status: self._choose(status=status))
        self._headings = Headings(make, lambda name: self._take(self.choice.sorted_by(name)))
        self._pager = Pager(make, self._turn_to, rows)
        self._name = make.entry("filter by name", "Show only jobs with this in their names")
        self._name.observe(lambda change: self._choose(name_part=change["new"]), "value")
        self.filters = make.box("filters", [self._states.box, self._name])
        self.headings, self.pager = self._headings.box, self._pager.box

    def draw(
        self, changes: TraitChanges, choice: Choice, counts: Counter[JobStatus], found: int
    ) -> range:
        """Bring them up to date; returns which of the jobs that were found are shown."""
        self._states.draw(changes, counts, choice.status)
        self._headings.draw(changes, choice)
        return self._pager.draw(changes, self.page, found)

    def _choose(self, **values: Any) -> None:
        self._take(replace(self.choice, **values))

    def _take(self, choice: Choice) -> None:
        self.choice = choice
        self._turn_to(0)

    def _turn_to(self, page: int) -> None:
        self.page = page
        self._on_change()
