"""Shows live tables and keeps the newest of them up to date.

All are drawn in the thread of the events: a job that changes, a click and the clock only ask for
it. What a table may cost is counted in messages to the front end: a drawing that took so many is
followed by as long a rest, so that it is five a second at most, whatever happens. Who clicks or
types doesn't wait for that.

The kernel can't know whether a table can still be seen. So only the newest are live: older ones
stand still, and what a cell showed before it was run again is taken away.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.events import Subscription
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.completions import Completions
from caikit_nb.notebook.job_table import job_table
from caikit_nb.notebook.kept_views import KeptViews
from caikit_nb.notebook.standing import Census, Standing
from caikit_nb.notebook.table import Table
from caikit_nb.notebook.trait_changes import TraitChanges
from caikit_nb.session import Session

if TYPE_CHECKING:
    from caikit_nb.notebook.live_table import LiveTable

MOST_LIVE = 3
"""As many are kept up to date; the newest ones."""

MESSAGE_INTERVAL_S = 0.2
_CLOCK_S = 1.0
_NEWER_ONES = "newer ones are live: <code>%caikit_jobs</code> shows another"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table was displayed.

    Attributes:
        cell_id: The cell; None if the front end doesn't name its cells.
        execution_id: That run of it.
    """

    cell_id: str | None
    execution_id: str | None

    @classmethod
    def of_running_cell(cls, shell: InteractiveShell) -> Place:
        """Where something that is displayed now goes."""
        request: Any = shell.get_parent()  # type: ignore[attr-defined]
        cell_id = request.get("metadata", {}).get("cellId")
        return cls(cell_id, request.get("header", {}).get("msg_id"))

    def is_overwritten_by(self, newer: Place) -> bool:
        """Whether the same cell was run again since."""
        same_cell = self.cell_id is not None and self.cell_id == newer.cell_id
        return same_cell and self.execution_id != newer.execution_id


class LiveTables(NewInFork):
    """The tables of a session; plain text where there are no widgets.

    In a forked job a table is that of the job's own jobs at one moment.
    """

    def __init__(
        self, shell: InteractiveShell, session: Session, cards: Cards, views: KeptViews
    ) -> None:
        self._shell, self._session, self._cards, self._views = shell, session, cards, views
        self._pid = os.getpid()
        if cards.has_widgets:
            # Before the first fork: what the kernel has imported, its copies have.
            from caikit_nb.notebook.live_table import LiveTable

            self._make = LiveTable
        super().__init__()

    def _reset(self) -> None:
        self._executor = self._session.executor
        self._census = Census(self._executor.queue)
        self._shown: list[tuple[Place, LiveTable]] = []
        # Those that stand still or were taken away, of jobs that have not ended.
        self._still: list[LiveTable] = []
        self._subscription: Subscription | None = None
        self._touched = self._ticking = False
        self._drawing = threading.Lock()

    def value(self) -> Any:
        """What ``%caikit_jobs`` gives back: it displays itself, live where that can be."""
        return JobsTable(self) if self._is_live else self.text()

    @property
    def _is_live(self) -> bool:
        return self._cards.has_widgets and os.getpid() == self._pid

    def text(self) -> Table:
        """The table at this moment."""
        self._know_fork()
        return job_table(self._standing())

    def show(self) -> None:
        """Show a table in the running cell."""
        if not self._is_live:
            display(self.text()) if self._cards.has_widgets else print(self.text())
            return
        table, standing = self.new_table(self._wake), self._standing()
        table.draw(standing, "", TraitChanges())
        table.publish(standing, update=False)
        self._shown.append((Place.of_running_cell(self._shell), table))
        if self._subscription is None:
            self._completions = Completions(standing.jobs)
            self._subscription = self._executor.events.subscribe(
                self._draw, MESSAGE_INTERVAL_S, as_one=True
            )
        self._wake()

    def new_table(self, wake: Callable[[], None]) -> LiveTable:
        """A table that is not shown yet, and asks by `wake` to be drawn."""
        return self._make(self._cards, self._views, self._shell, wake)

    def close(self) -> None:
        """Draw no more."""
        if self._subscription is not None:
            self._executor.events.unsubscribe(self._subscription)
            self._subscription = None

    def end_cell(self, *, is_followed: bool, is_unattended: bool) -> None:
        """Put into the saved notebook how the jobs stand; see `Cards.end_cell`."""
        if not self._shown or is_followed:
            return
        with self._drawing:
            standing = self._standing()
            for _, table in self._shown:
                if is_unattended or not standing.has_active:
                    table.keep(standing)

    def keep_ends(self) -> None:
        """Put into the notebook how all jobs have ended, as the session has."""
        with self._drawing:
            standing = self._standing()
            for _, table in self._shown:
                table.keep(standing)
            for table in self._still:
                table.settle()

    def freeze(self, why: str) -> None:
        """Have every table stand still. After `close`, while the kernel still talks."""
        with self._drawing:
            standing = self._standing()
            while self._shown:
                self._freeze_oldest(standing, why)

    def _standing(self) -> Standing:
        return self._census.take([future._job for future in self._executor.registry.all()])

    def _wake(self) -> None:
        """Somebody waits for a drawing."""
        subscription = self._subscription
        if subscription is not None:
            self._touched, subscription.min_interval_s = True, MESSAGE_INTERVAL_S
            self._executor.events.remind(subscription)

    def _draw(self, _: object) -> None:
        with self._drawing:
            self._draw_all()

    def _draw_all(self) -> None:
        self._touched = False
        standing = self._standing()
        self._retire(standing)
        news = self._completions.news(standing.jobs)
        goes_on, messages = False, 1
        for _, table in self._shown[:]:
            changes = TraitChanges()
            goes_on |= table.draw(standing, news, changes)
            goes_on |= table.save(standing)
            messages = max(messages, changes.messages)
        self._still = [table for table in self._still if not table.settle()]
        if self._subscription is not None and not self._touched:
            self._subscription.min_interval_s = messages * MESSAGE_INTERVAL_S
        if goes_on and not self._ticking:
            self._ticking = True
            watcher.call_later(_CLOCK_S, self._tock)

    def _tock(self) -> None:
        self._ticking = False
        if self._subscription is not None:
            self._executor.events.remind(self._subscription)

    def _retire(self, standing: Standing) -> None:
        shown = self._shown[:]
        for at, (place, table) in enumerate(shown, start=1):
            if any(place.is_overwritten_by(newer) for newer, _ in shown[at:]):
                self._shown.remove((place, table))
                table.retire(standing)
                self._still.append(table)
        while len(self._shown) > MOST_LIVE:
            self._freeze_oldest(standing, _NEWER_ONES)

    def _freeze_oldest(self, standing: Standing, why: str) -> None:
        _, table = self._shown.pop(0)
        table.freeze(standing, f"This table stands still, as {why}.")
        self._still.append(table)


class JobsTable:
    """The value of ``%caikit_jobs``: each display of it is a live table."""

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables

    def __repr__(self) -> str:
        return repr(self._tables.text())

    def _ipython_display_(self) -> None:
        self._tables.show()
