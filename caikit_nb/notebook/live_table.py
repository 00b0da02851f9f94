"""One live table of the jobs, of core widgets only."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.job_buttons import JobButtons
from caikit_nb.notebook.job_table import job_table
from caikit_nb.notebook.kept_views import KeepPace, KeptViews
from caikit_nb.notebook.live_rows import rows_html
from caikit_nb.notebook.looks import LOST
from caikit_nb.notebook.standing import Census, Standing
from caikit_nb.notebook.table_choice import Choice
from caikit_nb.notebook.table_controls import TableControls
from caikit_nb.notebook.table_row import TableRow
from caikit_nb.notebook.table_widgets import TableWidgets
from caikit_nb.notebook.trait_changes import TraitChanges
from caikit_nb.notebook.view_bundle import KeptView
from caikit_nb.notebook.view_display import ViewDisplay

PAGE_ROWS = 20
SETTLED_S = 1.0
HELD_S = 1.5


class LiveTable:
    """One table. Its widgets show what `draw` was told last; a click only asks to be drawn.

    Args:
        cards: Where a job's card comes from.
        views: Has what is to be saved.
        shell: Where the table is displayed.
        wake: Asks for a call of `draw`.
    """

    def __init__(
        self,
        cards: Cards,
        views: KeptViews,
        shell: InteractiveShell,
        wake: Callable[[], None],
    ) -> None:
        self._cards, self._wake = cards, wake
        self._display, self._views = ViewDisplay(shell, views), views
        self._pace = KeepPace(views)
        self._opened: Job | None = None
        self._card: tuple[Job, Any] | None = None
        self._counts: Counter[JobStatus] = Counter()
        self._saved: Counter[JobStatus] | None = None
        self._told_in_cell: Counter[JobStatus] | None = None
        self._restless_at = self._held_until = 0.0
        self._page: list[Job] = []
        make = self._make = TableWidgets()
        self._controls = TableControls(make, self._choose, PAGE_ROWS)
        self._buttons = JobButtons(make, self._toggle, self._hold)
        self._style = make.html("style", f"<style>{_style_sheet()}</style>")
        self._news, self._rows = make.html("news"), make.html()
        self._hide = make.button(icon="times", description="Hide the card")
        self._hide.on_click(lambda _: self._open(None))
        self._slot = make.box("slot")
        main = make.box("main", [self._controls.headings, self._rows])
        body = make.box("body", [main, self._buttons.box])
        line = make.box("line", [self._news, self._controls.pager])
        self._parts = (self._style, self._controls.filters, line, body, self._slot)
        self.box = make.column("caikit-jobs")

    def draw(self, standing: Standing, news: str, changes: TraitChanges) -> bool:
        """Bring it up to date; returns whether it will change without any job's doing.

        Args:
            standing: The jobs now.
            news: What has ended, as HTML; "" leaves what was told last.
            changes: Does it.
        """
        choice, opened = self._controls.choice, self._opened
        jobs = self._jobs(standing, choice, changes)
        rows = [TableRow.of(job, standing) for job in jobs]
        changes.set(self._rows, value=rows_html(rows, choice, len(standing.jobs)))
        self._buttons.draw(changes, jobs, opened)
        if news:
            changes.set(self._news, value=f'<span role="status" aria-live="polite">{news}</span>')
        self._draw_card(opened)
        changes.set(self.box, children=self._parts if standing.jobs else (self._style, self._rows))
        runs = any(row.status is JobStatus.RUNNING for row in rows)
        return runs or self._is_held

    def _jobs(self, standing: Standing, choice: Choice, changes: TraitChanges) -> list[Job]:
        """Those on the page."""
        found = choice.jobs(standing)
        shown = self._controls.draw(changes, choice, standing.counts, len(found))
        if not self._is_held:
            self._page = found[shown.start : shown.stop]
        return self._page

    @property
    def _is_held(self) -> bool:
        return time.monotonic() < self._held_until

    def publish(self, standing: Standing, *, update: bool) -> None:
        """Display it in the running cell, or renew what a saved notebook keeps of it."""
        self._saved = None if standing.has_active else standing.counts
        if not update:
            self._told_in_cell = self._saved
            self._display.show(self._view(standing), self.box)
        else:
            self._display.renew(self._view(standing))

    def _view(self, standing: Standing) -> KeptView:
        static, ended = job_table(standing), not standing.has_active
        lost = "" if ended else LOST.word
        return KeptView(self._display.id, static._repr_html_(), repr(static), ended, lost)

    def keep(self, standing: Standing) -> None:
        """Renew what is saved at the end of a cell.

        For who only executes a notebook (nbclient) and hears nothing between two cells.
        """
        if standing.has_active or standing.counts != self._told_in_cell:
            self._told_in_cell = None if standing.has_active else standing.counts
            self.publish(standing, update=True)

    def freeze(self, standing: Standing, why: str) -> None:
        """Draw it with a line that says so; from now on it shows the end of its jobs alone."""
        self._opened = None
        self.draw(standing, why, TraitChanges())
        self.publish(standing, update=True)
        self._frozen = standing
        kept = (self._style, self._news, self._rows)
        self.box.children = kept
        self._make.close(but=(self.box, *kept))

    def retire(self, standing: Standing) -> None:
        """Take it away; a copy of it in the notebook is still told of the end of its jobs."""
        self._frozen = standing
        self.close()

    def settle(self) -> bool:
        """Of a table that stands still: draw it for the last time once its jobs have ended.

        Returns:
            Whether that is done.
        """
        standing = self._frozen
        if standing.has_active:
            if not all(job.ended.is_set() for job in standing.active):
                return False
            self._frozen = standing = Census(standing.queue).take(standing.jobs)
            rows = [TableRow.of(job, standing) for job in self._page]
            html = rows_html(rows, self._controls.choice, len(standing.jobs))
            TraitChanges().set(self._rows, value=html)
            self.publish(standing, update=True)
        return True

    def close(self) -> None:
        """Take it away."""
        self._draw_card(None)
        self._make.close()

    def _touch(self) -> None:
        self._restless_at = time.monotonic()
        self._wake()

    def _choose(self) -> None:
        self._held_until = 0.0
        self._touch()

    def _hold(self) -> None:
        """Let the rows stay where they are for a moment.

        The second half of a double click must not reach the job that moves up.
        """
        self._held_until = time.monotonic() + HELD_S
        self._touch()

    def _toggle(self, job: Job) -> None:
        self._open(None if self._opened is job else job)

    def _open(self, job: Job | None) -> None:
        self._opened = job
        self._touch()

    def _draw_card(self, opened: Job | None) -> None:
        """Show the card of that job below the rows, and no other."""
        if self._card is not None and self._card[0] is not opened:
            self._slot.children = ()
            self._cards.remove(self._card[1])
            self._card = None
        if self._card is None and opened is not None:
            self._card = opened, self._cards.embed(opened)
            self._slot.children = (self._hide, self._card[1])

    def save(self, standing: Standing) -> bool:
        """Renew what a saved notebook keeps, once no job is active; whether that is to come.

        A front end then draws the whole table anew, and who types in it would lose the cursor:
        so not while things happen.
        """
        now = time.monotonic()
        if standing.counts != self._counts:
            self._counts, self._restless_at = standing.counts, now
        if standing.has_active:
            if self._saved is not None:
                self._saved = None
                self._views.reopen(self._display.id)
            self._pace.offer(lambda: self._view(standing))
            return False
        if standing.counts == self._saved:
            return False
        if now - self._restless_at < SETTLED_S:
            return True
        self.publish(standing, update=True)
        return False


@functools.cache
def _style_sheet() -> str:
    return Path(__file__).with_suffix(".css").read_text("utf-8")
