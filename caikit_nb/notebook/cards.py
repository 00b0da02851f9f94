"""Shows cards and keeps them up to date, each at most five times a second."""

from __future__ import annotations

import weakref
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.jobs.events import Events
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.notebook import job_view

MIN_INTERVAL_S = 0.2


class Cards:
    """The cards of a session; plain text where there are no widgets."""

    def __init__(self, shell: InteractiveShell, events: Events, queue: JobQueue) -> None:
        self._shell, self._events, self._queue = shell, events, queue
        self._cards: weakref.WeakKeyDictionary[Job, list[Any]] = weakref.WeakKeyDictionary()
        self._shown_in: dict[str, int] = {}
        if self.has_widgets:
            # Before the first fork: what the kernel has imported, its copies have.
            from caikit_nb.notebook.job_card import JobCard

            self._card_class = JobCard
        self._subscription = events.subscribe(self._draw, MIN_INTERVAL_S)

    @property
    def has_widgets(self) -> bool:
        """Whether this shell is a kernel's."""
        return getattr(self._shell, "kernel", None) is not None

    def show(self, future: JobFuture) -> None:
        """Show the job's card in the running cell."""
        job = future._job
        self.show_nothing(future)  # more than this one
        if not self.has_widgets:
            print(job_view.card_text(job))
            return
        card = self._card_class(job, self._queue, self._shell)
        self._cards.setdefault(job, []).append(card)
        card.show()
        job.changed()

    def show_nothing(self, future: JobFuture) -> None:
        """Show no card in the running cell, not even if the future is its value."""
        self._shown_in[future.id] = self._shell.execution_count

    def show_as_value(self, future: JobFuture) -> None:
        """Show a future that is the value of a cell, unless that cell has shown it already."""
        if self._shown_in.get(future.id) != self._shell.execution_count:
            self.show(future)

    def embed(self, job: Job) -> Any:
        """A card of the job as a widget that the caller shows, live until it is removed."""
        card = self._card_class(job, self._queue, self._shell)
        self._cards.setdefault(job, []).append(card)
        job.changed()
        return card._box

    def remove(self, job: Job, widget: Any) -> None:
        """Draw an embedded card no more."""
        cards = self._cards.get(job, [])
        cards[:] = [card for card in cards if card._box is not widget]

    def close(self) -> None:
        """Draw no more."""
        self._events.unsubscribe(self._subscription)

    def _draw(self, source: Any) -> None:
        for card in list(self._cards.get(source, ())):
            card.draw()
