"""Opens the cards of an experiment's jobs below its view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caikit_nb.experiments.job import Job as Row
from caikit_nb.jobs.job import Job
from caikit_nb.notebook.card_widgets import CardWidgets
from caikit_nb.notebook.cards import Cards


class ExperimentCards:
    """A field for a job's id, and the card of the job that it names.

    The rows of a view move while jobs run, and there may be thousands. So a job is chosen by its
    id, with those of this session as suggestions, rather than by a click on what moves.

    Args:
        cards: Where the cards come from.

    Attributes:
        box: The widget; empty as long as no job of this session is among the rows.
    """

    def __init__(self, cards: Cards) -> None:
        self._cards, make = cards, CardWidgets()
        self._jobs: dict[str, Job] = {}
        self._card: Any = None
        self._entry = make.entry("Card of job", "its id", "Show the card of a job of this session")
        self._note = make.html()
        self._hide = make.button("Hide the card", "times", "")
        self._line = make.row("row", [self._entry, self._hide, self._note])
        self._entry.observe(lambda change: self._choose(change["new"].strip()), "value")
        self._hide.on_click(lambda _: setattr(self._entry, "value", ""))
        self.box = make.column()

    def offer(self, rows: Sequence[Row]) -> None:
        """Suggest those jobs that this session has run, the newest first."""
        from caikit_nb.trials.recorder import job_of

        found = {row.job_id: job for row in reversed(rows) if (job := job_of(row)) is not None}
        if found.keys() != self._jobs.keys():
            self._jobs = found
            self._entry.options = tuple(found)
            self._lay_out()

    def close(self) -> None:
        """Show no card any more."""
        self._show(None)

    def _choose(self, job_id: str) -> None:
        job = self._jobs.get(job_id)
        self._note.value = "" if job or not job_id else "no job of this session has this id"
        self._show(job)

    def _show(self, job: Job | None) -> None:
        before, self._card = self._card, None if job is None else self._cards.embed(job)
        self._lay_out()
        if before is not None:
            self._cards.remove(before)

    def _lay_out(self) -> None:
        has_card = self._card is not None
        self._line.children = (self._entry, *([self._hide] if has_card else [self._note]))
        shown = (self._line, self._card) if has_card else (self._line,)
        self.box.children = shown if self._jobs or has_card else ()
