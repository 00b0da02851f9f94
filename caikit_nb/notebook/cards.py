"""Shows cards and keeps them up to date, each at most five times a second."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs import view_files
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.notebook.job_view import card_html, card_text, shown_of
from caikit_nb.notebook.kept_views import KeptViews
from caikit_nb.notebook.pace import Pace
from caikit_nb.notebook.view_bundle import at_clock
from caikit_nb.session import Session

MIN_INTERVAL_S = 0.2
_LAST_REST_S = 0.2  # between a job's result and the end of its process


class Cards(NewInFork):
    """The cards of a session; plain text where there are no widgets.

    A forked job may submit jobs of its own, whose cards are among what it displays. They end with
    it, and say so.

    Args:
        shell: Where they are shown.
        session: Whose jobs they are of.
        views: Has what is to be saved.
        run_when_idle: Hands a call to the kernel's main thread; None where there is no such way.
        bring_back: Assigns what a job's cell has made.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        views: KeptViews,
        run_when_idle: Callable[[Callable[[], None]], None] | None,
        bring_back: Callable[[Job], None],
    ) -> None:
        self._shell, self._session = shell, session
        self._views, self._run_when_idle, self._bring_back = views, run_when_idle, bring_back
        self._pid = os.getpid()
        self.job_widgets: Any = None
        if self.has_widgets:
            # Before the first fork: what the kernel has imported, its copies have.
            from caikit_nb.notebook.card_widgets import CardWidgets
            from caikit_nb.notebook.job_card import JobCard
            from caikit_nb.notebook.job_widgets import JobWidgets

            self._card_class, self._make, self.job_widgets = JobCard, CardWidgets(), JobWidgets()
        super().__init__()

    def _reset(self) -> None:
        executor = self._session.executor
        self._events, self._queue = executor.events, executor.queue
        self._cards: weakref.WeakKeyDictionary[Job, list[Any]] = weakref.WeakKeyDictionary()
        self._shown_in: dict[str, int] = {}
        self._keys: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._open: dict[Job, None] = {}
        self._told_between: dict[Job, None] = {}
        self._in_cell = True  # the one that loads the extension
        self._pace, self._waits = Pace(), False
        self._pending: dict[Job, None] = {}
        self._subscription = self._events.subscribe(self._on_change, MIN_INTERVAL_S)
        self._queue.on_moved.append(self._on_moved)
        if os.getpid() != self._pid:
            end_with_job(self._session, self.keep_ends)

    @property
    def has_widgets(self) -> bool:
        """Whether this shell is a kernel's."""
        return getattr(self._shell, "kernel", None) is not None

    def show(self, future: JobFuture) -> None:
        """Show the job's card in the running cell."""
        self._know_fork()
        job = future._job
        self.show_nothing(future)  # more than this one
        if not self.has_widgets:
            print(card_text(job, shown_of(job), at_clock()))
            return
        if os.getpid() != self._pid and self._session.executor.registry.by_id(future.id) is None:
            self._show_as_it_was(job)
            return
        card = self._card(job)
        self._cards.setdefault(job, []).append(card)
        # The job's own: the server can tell of it also while the kernel is busy. A second card,
        # or one that shows another job by now, must not be taken for the first.
        key = view_files.key_of(job.spec.id)
        is_first = self._keys.setdefault(key, card) is card
        card.show(key if is_first else None)
        self._open[job] = None
        job.changed()

    def _show_as_it_was(self, job: Job) -> None:
        """In a forked job: of a job of the kernel's it knows how that stood at the fork alone."""
        shown = shown_of(job)
        html, text = card_html(job, shown, at_clock()), card_text(job, shown, at_clock())
        self._shell.display_pub.publish({"text/html": html, "text/plain": text})

    def begin_cell(self) -> None:
        """From here on what is told is heard by all."""
        self._in_cell = True

    def end_cell(self, *, is_followed: bool, is_unattended: bool = False) -> None:
        """Put on their saved cards, before the cell is over, which jobs have ended.

        Args:
            is_followed: A front end hears also what is told between two cells; who only executes
                a notebook (nbclient) does not, so it is told again.
            is_unattended: Nobody is there, and the notebook may end with this cell, as its kernel
                may then: the cards say how jobs stand that have not ended.
        """
        for job in [job for job in list(self._open) if job.status.is_terminal]:
            if job.ended.wait(_LAST_REST_S):
                again = self._told_between.pop(job, self) is None and not is_followed
                for card in list(self._cards.get(job, ())):
                    card.keep_end(again=again)
                self._open.pop(job, None)
        if is_unattended:
            for job in self._open:
                for card in list(self._cards.get(job, ())):
                    card.keep_state()
        self._in_cell = False

    def keep_ends(self) -> None:
        """Put into the notebook how all have ended, as the session has."""
        for job in list(self._open):
            for card in list(self._cards.get(job, ())):
                card.keep_end()

    def show_nothing(self, future: JobFuture) -> None:
        """Show no card in the running cell, not even if the future is its value."""
        self._know_fork()
        self._shown_in[future.id] = self._shell.execution_count

    def is_shown(self, job: Job) -> bool:
        """Whether the running cell has shown its card."""
        self._know_fork()
        return self._shown_in.get(job.spec.id) == self._shell.execution_count

    def show_as_value(self, future: JobFuture) -> None:
        """Show a future that is the value of a cell, unless that cell has shown it already."""
        if not self.is_shown(future._job):
            self.show(future)

    def embed(self, job: Job) -> Any:
        """A card of the job as a widget that the caller shows, live until it is removed."""
        self._know_fork()
        card = self._card(job)
        self._cards.setdefault(job, []).append(card)
        job.changed()
        return card.box

    def _card(self, job: Job) -> Any:
        return self._card_class(
            job,
            self._queue,
            self._shell,
            self._make,
            self._views,
            self._run_again,
            self._bring_back,
        )

    def remove(self, widget: Any) -> None:
        """Close an embedded card."""
        for cards in list(self._cards.values()):
            cards[:] = [card for card in cards if card.box is not widget]
        _close(widget)

    def close(self) -> None:
        """Draw no more."""
        self._queue.on_moved.remove(self._on_moved)
        self._events.unsubscribe(self._subscription)

    def _on_change(self, source: Any) -> None:
        """In the updates thread.

        Args:
            source: The job that has changed; None if the queue has moved, or there is room for
                messages again.
        """
        if source is None:
            self._pending.update(dict.fromkeys(self._displaced()))
        elif self._cards.get(source) or self._has_news(source):
            self._pending[source] = None
        while self._pending:
            wait_s = self._pace.wait_s()
            if wait_s > 0:
                self._go_on_later(wait_s)
                return
            job = self._next_to_draw()
            del self._pending[job]
            if job in self._open and job.ended.is_set() and not self._in_cell:
                self._told_between[job] = None
            if self.job_widgets is not None:
                self._pace.spend(self.job_widgets.flush(job))
            for card in list(self._cards.get(job, ())):
                self._pace.spend(card.draw())

    def _on_moved(self) -> None:
        self._events.remind(self._subscription)

    def _displaced(self) -> list[Job]:
        """Jobs whose cards tell a place in the queue that is theirs no more."""
        places = self._queue.next_places()
        return [
            job
            for job, place in places.items()
            if any(card.shown_place != place for card in self._cards.get(job, ()))
        ]

    def _has_news(self, source: Any) -> bool:
        return self.job_widgets is not None and self.job_widgets.has_news(source)

    def _next_to_draw(self) -> Job:
        """Who waits longest, but first of all who shows a state that is no more."""
        for job in self._pending:
            if any(card.shown_status is not job.status for card in self._cards.get(job, ())):
                return job
        return next(iter(self._pending))

    def _go_on_later(self, wait_s: float) -> None:
        if not self._waits:
            self._waits = True
            watcher.call_later(wait_s, self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        self._events.remind(self._subscription)

    def _run_again(self, job: Job, card: Any) -> None:
        if self._run_when_idle is not None:
            self._run_when_idle(lambda: self._submit_again(job, card))

    def _submit_again(self, job: Job, card: Any) -> None:
        submit = job.again or job.replay
        if submit is None:  # its retention has ended meanwhile
            return
        try:
            again: Job = submit()._job
        except Exception as error:  # noqa: BLE001 - whatever it is, who clicked must be told
            job.notes.append(f"it was not run again: {error}")
            card.follow(job)
            job.changed()
            return
        self._cards.setdefault(again, []).append(card)
        self._open[again] = None
        card.follow(again)
        again.changed()
        if card in self._cards.get(job, ()):
            self._cards[job].remove(card)


def end_with_job(session: Session, keep_ends: Callable[[], None]) -> None:
    """In a forked job: have its own jobs end with it, and then keep how they have ended."""

    def end() -> None:
        session.close("ended with the outer job")
        keep_ends()

    atexit.register(end)


def _close(widget: Any) -> None:
    """Close a widget and all that is in it."""
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()
