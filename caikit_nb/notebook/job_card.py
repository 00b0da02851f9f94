"""The live card of a job in a notebook, of core widgets only."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import card_output, card_parts
from caikit_nb.notebook.card_buttons import CardButtons
from caikit_nb.notebook.card_widgets import CardWidgets
from caikit_nb.notebook.job_view import Shown, card_html, card_text, shown_of
from caikit_nb.notebook.kept import countdown, dropped, time_left
from caikit_nb.notebook.kept_views import KeepPace, KeptViews
from caikit_nb.notebook.output_area import OutputArea
from caikit_nb.notebook.sent import Sender
from caikit_nb.notebook.view_bundle import KeptView, at_clock
from caikit_nb.notebook.view_display import ViewDisplay

logger = logging.getLogger(__name__)

_CHART_INTERVAL_S = 0.45
_CHART_SHARE = 20  # and at least 20 times as long as it took to draw it


class JobCard:
    """One card. `draw` is called from the updates thread alone, `keep_end` from any.

    It goes on showing what its job has put out when that has gone, as the notebook is the user's
    record.

    Args:
        job: Whose.
        queue: Where it may wait.
        shell: Where it is displayed.
        make: Makes its widgets.
        views: Has what is to be saved.
        run_again: Submits the job anew and has the card `follow` it.
        bring_back: Assigns what its cell has made.
    """

    def __init__(
        self,
        job: Job,
        queue: JobQueue,
        shell: InteractiveShell,
        make: CardWidgets,
        views: KeptViews,
        run_again: Callable[[Job, JobCard], None],
        bring_back: Callable[[Job], None],
    ) -> None:
        self.job, self._queue = job, queue
        self._next_job: Job | None = None
        self._display = ViewDisplay(shell, views)
        self._key = self._display.id
        self._sender = Sender()
        self._ticking = False
        self._bar_rows = 0
        self._chart_at = self._chart_took_s = 0.0
        self._chart_drawn: Any = None
        self._full_log = self._is_log_cut = False
        self._last_shown: Shown | None = None
        self._whole_log = ""
        self.shown_status: JobStatus | None = None
        self.shown_place: int | None = None
        self._make = make
        self._pace = KeepPace(views)
        self._buttons = CardButtons(self, make, run_again, bring_back)
        self._assemble()
        self._saved, self._saving = "", threading.Lock()
        job.on_expired.append(self._keep_shown)
        self._fill()

    def _assemble(self) -> None:
        make = self._make
        self._head = make.html("head")
        self._chart = make.html("chart")
        self._log_scale = make.toggle("log scale", "Draw the values on a logarithmic scale")
        self._log_scale.observe(lambda _: self._redraw_chart(), "value")
        self._chart_row = make.row("row", [self._chart, self._log_scale])
        self._output = OutputArea(make, self._sender)
        self._full = make.html()
        self._open_log = make.button("Full log", "align-left", "Show all that the job printed")
        self._open_log.on_click(lambda _: self._toggle_log())
        self._ending, self._source = make.html(), make.html()
        self._top = make.row("top", [self._head, self._buttons.box])
        self.box = make.column("card", self._parts())
        self.box.add_class("caikit-card")

    def _parts(self) -> tuple[Any, ...]:
        """What there is to see, in its order."""
        parts = {
            self._top: True,
            self._chart_row: self._chart_drawn is not None,
            self._output.box: True,
            self._full: self._full_log,
            self._open_log: self._is_log_cut or self._full_log,
            self._ending: bool(self._ending.value),
            self._source: bool(self._source.value),
        }
        return tuple(part for part, shown in parts.items() if shown)

    def show(self, key: str | None) -> None:
        """Display the card in the running cell.

        Args:
            key: By which its output is found, also where the cell is run again; None for one that
                no other card has.
        """
        self._key = key or self._display.id
        with self._saving:  # an update that came first would be lost
            self._publish(update=False)
        self._sender.take_count()  # what a cell shows is no update

    def draw(self) -> int:
        """Bring the card up to date; says how many messages that took."""
        self._turn_to_next()
        status, ended = self.job.status, self.job.ended.is_set()
        if status.is_terminal and status is not JobStatus.CANCELED and not ended:
            return 0  # the rest of its end is a moment away, and is told as well
        if ended:
            # Ahead of the card, so that who saves what the card shows has it.
            self.keep_end()
        self._fill()
        self._offer()
        self._tick()
        return self._sender.take_count()

    def _offer(self) -> None:
        with self._saving:  # or what is older would come after the end
            if self._saved and not self.job.ended.is_set():
                self._pace.offer(lambda: self._view(self._shown()))

    def keep_end(self, *, again: bool = False) -> None:
        """What a saved notebook keeps is the last state, not the first.

        Args:
            again: Also if it was told already.
        """
        with self._saving:
            if self._saved and (again or self._html(self._shown(), at_clock()) != self._saved):
                self._publish(update=True)

    def keep_state(self) -> None:
        """The same of a job that has not ended, for who hears nothing after the running cell."""
        with self._saving:
            if self._saved:
                self._publish(update=True, when=", when the last cell ended")

    def follow(self, job: Job) -> None:
        """Show this job from the next drawing on: the same cell, run again."""
        self._next_job = job

    def _turn_to_next(self) -> None:
        job, self._next_job = self._next_job, None
        if job is not None:
            self._buttons.has_run_again()
        if job is not None and job is not self.job:
            self.job, self._bar_rows, self._chart_drawn, self._full_log = job, 0, None, False
            self._last_shown, self._whole_log = None, ""
            job.on_expired.append(self._keep_shown)
            with self._saving:
                if self._saved:
                    self._publish(update=True)

    def _keep_shown(self, job: Job) -> None:
        """Before it drops what it holds."""
        if job is self.job:
            self._keep_log()
            self._last_shown = shown_of(job)

    def _shown(self) -> Shown:
        if self.job.is_output_purged:
            return Shown()
        if self._last_shown is None:
            shown = shown_of(self.job)
            if self._last_shown is None:  # or it was dropped in the midst of this
                return shown
        return self._last_shown

    def _keep_log(self) -> None:
        """Once, as it may be long: it changes no more."""
        job = self.job
        if not self._whole_log and job.ended.is_set():
            log = card_output.saved_log_html(job.attempt)
            if job.expired is None or self._last_shown is None:
                self._whole_log = log

    def _html(self, shown: Shown, moment: str) -> str:
        if shown.is_cut:
            self._keep_log()
        return card_html(self.job, shown, moment, self._whole_log if shown.is_cut else "")

    def _fill(self) -> None:
        job, send = self.job, self._sender
        status = None
        while status is not job.status:  # all parts tell of one moment
            status = job.status
            ended = job.ended.is_set()
            self._bar_rows = 0 if ended else max(self._bar_rows, len(job.attempt.bars.latest()))
            shown = self._shown()
            kept = dropped(job, keeps_output=bool(shown)) or countdown(job)
            self.shown_place = self._queue.place(job)
            head = card_parts.head_html(job, self.shown_place, kept, self._bar_rows)
            ending = shown.error + card_parts.notes_html(job)
        # The state last: who sees it sees what belongs to it.
        self._draw_chart(ended)
        self._output.update(shown.pieces)
        self._draw_log(shown)
        send.set(self._ending, value=ending)
        send.set(self._source, value=card_parts.source_html(job))
        self._buttons.update(send)
        send.set(self.box, children=self._parts())
        send.set(self._head, value=head)
        self.shown_status = status

    def _draw_chart(self, ended: bool) -> None:
        metrics = None if self.job.is_output_purged else self.job.attempt.metrics
        state = (metrics.count, self._log_scale.value) if metrics else None
        now = time.monotonic()
        interval_s = max(_CHART_INTERVAL_S, _CHART_SHARE * self._chart_took_s)
        wait_s = self._chart_at + interval_s - now
        if state == self._chart_drawn:
            return
        if wait_s > 0 and not ended:
            watcher.call_later(wait_s, self.job.changed)
            return
        self._chart_at, self._chart_drawn = now, state
        chart = card_parts.chart_html(self.job, log_scale=self._log_scale.value)
        self._chart_took_s = time.monotonic() - now
        self._sender.set(self._chart, value=chart)

    def _redraw_chart(self) -> None:
        self._chart_at = 0.0
        self.job.changed()

    def _draw_log(self, shown: Shown) -> None:
        self._is_log_cut = shown.is_cut and self.job.expired is None
        self._full_log &= not self.job.is_output_purged
        words = "Close the log" if self._full_log else "Full log"
        self._sender.set(self._open_log, description=words)
        if not self._full_log:
            self._sender.set(self._full, value="")

    def _toggle_log(self) -> None:
        """The log as it is now: it does not scroll away from who reads it."""
        self._full_log = not self._full_log
        if self._full_log:
            self._sender.set(self._full, value=card_output.full_log_html(self.job.attempt))
        self.job.changed()

    def _tick(self) -> None:
        """The clock on the card goes on also when the job says nothing."""
        left = time_left(self.job)
        wait_s = 1.0 if self.job.status is JobStatus.RUNNING else left and left[1]
        if wait_s is not None and not self._ticking:
            self._ticking = True
            watcher.call_later(wait_s, self._tock)

    def _tock(self) -> None:
        self._ticking = False
        self.job.changed()

    def _view(self, shown: Shown, when: str = "") -> KeptView:
        job = self.job
        ended = job.ended.is_set()
        lost = "" if ended else card_parts.lost_html()
        moment = f"{at_clock()}{when}"
        html, text = self._html(shown, moment), card_text(job, shown, moment)
        return KeptView(self._key, html, text, ended, lost)

    def _publish(self, update: bool, when: str = "") -> None:
        view = self._view(self._shown(), when)
        self._saved = view.html
        self._sender.sent(1)
        if update:
            self._display.renew(view, [self.job.spec.id])
        else:
            self._display.show(view, self.box, [self.job.spec.id])
