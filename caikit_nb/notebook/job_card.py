"""The live card of a job in a notebook, of core widgets only."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import ipywidgets as widgets
from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import job_view
from caikit_nb.notebook.kept import countdown, time_left

logger = logging.getLogger(__name__)

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# JupyterLab shows the saved card of a kernel that is gone by this (labextension/src/card.ts).
_CARD = "application/vnd.caikit-nb.card+json"


class JobCard:
    """One card. `draw` is called from the updates thread alone."""

    def __init__(self, job: Job, queue: JobQueue, shell: InteractiveShell) -> None:
        self._job, self._queue, self._shell = job, queue, shell
        self._display_id = uuid.uuid4().hex
        self._head = widgets.HTML(layout=widgets.Layout(flex="1 1 auto", min_width="0"))
        self._body = widgets.HTML()
        self._displays = widgets.Output()
        self._shown_displays: Any = ()
        self._ticking = False
        self._cancel = _button("Cancel", "stop", "End this job and everything it started")
        self._interrupt = _button("Interrupt", "pause", "Raise KeyboardInterrupt in this job")
        self._cancel.on_click(lambda _: job.cancel("cancelled from the card"))
        self._interrupt.on_click(lambda _: job.interrupt())
        self._buttons = widgets.HBox(
            [self._interrupt, self._cancel], layout=widgets.Layout(flex="0 0 auto")
        )
        top = widgets.HBox(
            [self._head, self._buttons],
            layout=widgets.Layout(justify_content="space-between", align_items="flex-start"),
        )
        self._box = widgets.VBox(
            [top, self._body, self._displays],
            layout=widgets.Layout(
                border="1px solid var(--jp-border-color2, #d0d5dd)",
                padding="6px 12px 8px 12px",
                margin="4px 0 4px 0",
                max_width="900px",
            ),
        )
        self._saved = ""
        self._fill()

    def show(self) -> None:
        """Display the card in the running cell."""
        self._publish(update=False)

    def draw(self) -> None:
        """Bring the card up to date."""
        status, ended = self._job.status, self._job.ended.is_set()
        if status.is_terminal and status is not JobStatus.CANCELED and not ended:
            return  # the rest of its end is a moment away, and is told as well
        if ended and job_view.card_html(self._job) != self._saved:
            # What a saved notebook keeps is the last state, not the first. It goes ahead of the
            # card, so that who saves what the card shows has it.
            self._publish(update=True)
        self._fill()
        self._tick()

    def _fill(self) -> None:
        job = self._job
        status = None
        while status is not job.status:  # head and body tell of one moment
            status = job.status
            head = job_view.head_html(job, self._queue.position(job), countdown(job))
            body = job_view.body_html(job)
        # The state last: who sees it sees what belongs to it.
        self._show_displays()
        self._body.value = body
        self._head.value = head
        running = job.status is JobStatus.RUNNING
        self._interrupt.layout.display = None if running else "none"
        self._cancel.layout.display = "none" if job.status.is_terminal else None

    def _show_displays(self) -> None:
        shown = tuple(self._job.attempt.displays)
        if shown != self._shown_displays:
            self._shown_displays = shown
            self._displays.outputs = tuple(
                {
                    "output_type": "display_data",
                    "data": dict(display.data),
                    "metadata": dict(display.metadata),
                }
                for display in shown
            )

    def _tick(self) -> None:
        """The clock on the card goes on also when the job says nothing."""
        left = time_left(self._job)
        wait_s = 1.0 if self._job.status is JobStatus.RUNNING else left and left[1]
        if wait_s is not None and not self._ticking:
            self._ticking = True
            watcher.call_later(wait_s, self._tock)

    def _tock(self) -> None:
        self._ticking = False
        self._job.changed()

    def _publish(self, update: bool) -> None:
        self._saved = job_view.card_html(self._job)
        data = {
            _WIDGET_VIEW: {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._box.model_id,
            },
            _CARD: {
                "version": 1,
                "id": self._job.spec.id,
                "ended": self._job.ended.is_set(),
            },
            "text/html": self._saved,
            "text/plain": job_view.card_text(self._job),
        }
        self._shell.display_pub.publish(
            data, transient={"display_id": self._display_id}, update=update
        )


def _button(description: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(
        description=description,
        icon=icon,
        tooltip=tooltip,
        layout=widgets.Layout(width="auto", height="26px"),
    )
