"""Shows the jobs that one cell submits in a loop on one card."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.notebook.cards import Cards, end_with_job
from caikit_nb.notebook.group_outputs import GroupOutputs
from caikit_nb.notebook.kept_views import KeptViews
from caikit_nb.notebook.live_tables import LiveTables, Place
from caikit_nb.session import Session

if TYPE_CHECKING:
    from caikit_nb.notebook.group_card import GroupCard

_INTERVAL_S = 0.2
_CLOCK_S = 1.0


class GroupCards(NewInFork):
    """The group cards of a session; nothing where there are no widgets.

    Also in a forked job, whose card shows its group among what the job displays.

    A cell that submits one job has none: its future, as the cell's value, shows the job's card.

    Args:
        shell: Where they are shown.
        session: Whose jobs they show.
        cards: Knows which jobs a cell shows already.
        tables: Makes the tables of their jobs.
        views: Has what is to be saved.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        cards: Cards,
        tables: LiveTables,
        views: KeptViews,
    ) -> None:
        self._shell, self._session, self._cards = shell, session, cards
        self._tables, self._views, self._pid = tables, views, os.getpid()
        if cards.has_widgets:
            # Before the first fork: what the kernel has imported, its copies have.
            from caikit_nb.notebook.card_widgets import CardWidgets
            from caikit_nb.notebook.group_card import GroupCard

            self._card_class, self._make = GroupCard, CardWidgets()
        super().__init__()

    def _reset(self) -> None:
        self._executor = self._session.executor
        self._place: Place | None = None
        self._single: list[Job] = []
        self._group: GroupCard | None = None
        self._outputs = GroupOutputs()
        self._all: list[GroupCard] = []
        # Each that changes yet, or that somebody has clicked.
        self._open: dict[GroupCard, None] = {}
        # Each whose end no cell has told.
        self._unsaved: dict[GroupCard, None] = {}
        self._lock = threading.Lock()
        self._ticking = False
        if self._cards.has_widgets:
            events = self._executor.events
            self._subscription = events.subscribe(self._draw, _INTERVAL_S, as_one=True)
        if os.getpid() != self._pid:
            end_with_job(self._session, self.keep_ends)

    def add(self, future: JobFuture) -> None:
        """The running cell has submitted this job by a call."""
        self._know_fork()
        is_main = threading.current_thread() is threading.main_thread()
        if not self._cards.has_widgets or not is_main:
            return
        place = Place.of_running_cell(self._shell)
        if place != self._place:
            self._place, self._single, self._group = place, [], None
            self._outputs = GroupOutputs()
        # At once: its retention may be over before there is a group.
        future._job.on_expired.append(self._outputs.keep)
        if self._group is not None:
            self._group.add(future._job)
            return
        # A loop of `display(submit(…))` shows a card of each.
        self._single = [job for job in self._single if not self._cards.is_shown(job)]
        self._single.append(future._job)
        if len(self._single) > 1:
            self._group = self._show(self._single)
            self._single = []

    def _show(self, jobs: list[Job]) -> GroupCard:
        group = self._card_class(
            self._shell,
            self._executor.queue,
            self._make,
            self._views,
            self._outputs,
            self._tables.new_table,
            self._wake,
        )
        for job in jobs:
            group.add(job)
        group.show()
        self._all.append(group)
        return group

    def end_cell(self, *, is_followed: bool, is_unattended: bool) -> None:
        """Put into the saved notebook how the groups stand; see `Cards.end_cell`."""
        for group in self._all:
            group.take_purged()
        for group in list(self._unsaved):
            if group.has_ended:
                group.keep_end(again=not is_followed)
                self._unsaved.pop(group, None)
            elif is_unattended:
                group.keep_state(", when the last cell ended")
            elif group.has_more:
                group.keep_state()
        self._single = []

    def keep_ends(self) -> None:
        """Put into the notebook how all have ended, as the session has."""
        for group in list(self._unsaved):
            group.keep_end()

    def close(self) -> None:
        """Draw no more."""
        if self._cards.has_widgets:
            self._executor.events.unsubscribe(self._subscription)

    def _wake(self, group: GroupCard) -> None:
        with self._lock:
            self._open[group] = self._unsaved[group] = None
        self._executor.events.remind(self._subscription)

    def _draw(self, _: object) -> None:
        with self._lock:
            drawn = list(self._open)
        goes_on = False
        for group in drawn:
            with self._lock:  # a click meanwhile puts it back
                self._open.pop(group, None)
            if group.draw():
                goes_on = True
                with self._lock:
                    self._open[group] = None
        if goes_on and not self._ticking:
            self._ticking = True
            watcher.call_later(_CLOCK_S, self._tock)

    def _tock(self) -> None:
        self._ticking = False
        self._executor.events.remind(self._subscription)
