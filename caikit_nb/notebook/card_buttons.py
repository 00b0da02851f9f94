"""What one can do to a job on its card."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.card_widgets import CardWidgets
from caikit_nb.notebook.sent import Sender

if TYPE_CHECKING:
    from caikit_nb.notebook.job_card import JobCard


class CardButtons:
    """The buttons of a card. A click only enqueues: it may come in a thread of the kernel's own.

    Args:
        card: Whose job they act on.
        make: Makes them.
        run_again: Submits it anew, and has the card follow that job.
        bring_back: Assigns what its cell has made.
    """

    def __init__(
        self,
        card: JobCard,
        make: CardWidgets,
        run_again: Callable[[Job, JobCard], None],
        bring_back: Callable[[Job], None],
    ) -> None:
        self._card, self._run_again = card, run_again
        self._interrupt = make.button(
            "Interrupt", "pause", "Raise KeyboardInterrupt in this job, which may go on after it"
        )
        self._cancel = make.button("Cancel", "stop", "End this job and everything it started")
        self._again = make.button(
            "Run again", "repeat", "Submit it again, with the variables as they are now"
        )
        self._bring = make.button(
            "Bring back", "download", "Assign here what the job's cell has made"
        )
        self._bring.on_click(lambda _: bring_back(self._card.job))
        self._pin = make.button(
            "Pin", "thumb-tack", "Keep the result whatever its retention and the limits say"
        )
        self._unpin = make.button("Unpin", "thumb-tack", "Let the result go when its time is over")
        self._interrupt.on_click(lambda _: self._soon(lambda job: job.interrupt()))
        self._cancel.on_click(lambda _: self._soon(_cancel))
        self._pin.on_click(lambda _: self._soon(lambda job: job.pin(True)))
        self._unpin.on_click(lambda _: self._soon(lambda job: job.pin(False)))
        self._again.on_click(lambda _: self._submit_again())
        self._is_waiting = False
        self.box = make.row("buttons")

    def update(self, send: Sender) -> None:
        """Show those that have an effect now."""
        job = self._card.job
        has_result = job.ended.is_set() and job.expired is None
        can_run_again = self._is_waiting or job.again is not None or job.replay is not None
        wanted = {
            self._interrupt: job.status is JobStatus.RUNNING,
            self._cancel: not job.status.is_terminal,
            self._bring: bool(job.made.untaken),
            self._pin: has_result and not job.pinned and job.kept_s is not None,
            self._unpin: has_result and job.pinned,
            self._again: job.ended.is_set() and can_run_again,
        }
        # In one message, which hiding each of them by its layout would not be.
        send.set(self.box, children=tuple(button for button, shown in wanted.items() if shown))
        send.set(
            self._again,
            disabled=self._is_waiting,
            description="Runs when the kernel is free" if self._is_waiting else "Run again",
        )

    def has_run_again(self) -> None:
        """It was submitted anew."""
        self._is_waiting = False

    def _submit_again(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._card.job.changed()
            self._run_again(self._card.job, self._card)

    def _soon(self, act: Callable[[Job], Any]) -> None:
        job = self._card.job
        watcher.call_soon(lambda: act(job))


def _cancel(job: Job) -> None:
    job.cancel("cancelled from the card")
