"""The live card of the jobs that one cell submits in a loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.notebook.card_widgets import CardWidgets
from caikit_nb.notebook.group_outputs import GroupOutputs
from caikit_nb.notebook.group_view import errors_html, head_html, kept_view
from caikit_nb.notebook.kept_views import KeepPace, KeptViews
from caikit_nb.notebook.live_table import LiveTable
from caikit_nb.notebook.sent import Sender
from caikit_nb.notebook.standing import Census, Standing
from caikit_nb.notebook.trait_changes import TraitChanges
from caikit_nb.notebook.view_bundle import KeptView
from caikit_nb.notebook.view_display import ViewDisplay


class GroupCard:
    """One card. `draw` is called from the updates thread alone, the others from any.

    Args:
        shell: Where it is displayed.
        queue: Where its jobs may wait.
        make: Makes its widgets.
        views: Has what is to be saved.
        outputs: Keeps what its jobs have put out.
        new_table: Makes a table of its jobs, which calls what it is given to be drawn.
        wake: Asks for a call of `draw`.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        queue: JobQueue,
        make: CardWidgets,
        views: KeptViews,
        outputs: GroupOutputs,
        new_table: Callable[[Callable[[], None]], LiveTable],
        wake: Callable[[GroupCard], None],
    ) -> None:
        self._census, self._pace = Census(queue), KeepPace(views)
        self._new_table, self._wake = new_table, lambda: wake(self)
        self._display, self._views = ViewDisplay(shell, views), views
        self._jobs: list[Job] = []
        self._outputs = outputs
        self._told, self._publishing = 0, threading.Lock()
        self._told_end = False
        self._wants_table = False
        self._table: LiveTable | None = None
        self._sender = Sender()
        self._assemble(make)

    def _assemble(self, make: CardWidgets) -> None:
        self._head, self._errors = make.html("head"), make.html()
        self._cancel = make.button("Cancel", "stop", "End these jobs and everything they started")
        self._cancel.on_click(lambda _: self._cancel_all())
        self._open = make.button("Jobs", "list", "Show each of these jobs")
        self._open.on_click(lambda _: self._toggle())
        self._buttons = make.row("buttons", [self._open])
        self._slot = make.column()
        top = make.row("top", [self._head, self._buttons])
        self._box = make.column("card", [top, self._errors, self._slot])
        self._box.add_class("caikit-card")

    def add(self, job: Job) -> None:
        """Have it show one more job."""
        self._jobs.append(job)
        if self._told_end:
            with self._publishing:
                self._told_end = False
                self._views.reopen(self._display.id)
        self._wake()

    def show(self) -> None:
        """Display it in the running cell."""
        self._fill(self._standing())
        self._publish(update=False)

    def draw(self) -> bool:
        """Bring it up to date; returns whether it will change again by itself."""
        standing = self._standing()
        ended = self._has_ended(standing)
        if ended:
            # Ahead of the widgets, so that who saves what is shown has it.
            self.keep_end()
        else:
            self._offer()
        self._fill(standing)
        self._draw_table(standing)
        return not ended

    def _offer(self) -> None:
        with self._publishing:  # or what is older would come after the end
            if not self._told_end:
                self._pace.offer(lambda: self._view(self._standing(), ended=False))

    @property
    def has_ended(self) -> bool:
        """Whether all its jobs have."""
        return self._has_ended(self._standing())

    def keep_end(self, *, again: bool = False) -> None:
        """Have a saved notebook keep its last state.

        Args:
            again: Also if it was told already.
        """
        if again or not self._told_end:
            self._publish(update=True)

    def take_purged(self) -> None:
        """Have it lose the output that was purged since."""
        if self._outputs.has_purged:
            self._publish(update=True)

    def keep_state(self, when: str = "") -> None:
        """Have it keep how the jobs stand now; see `kept_view` for the argument."""
        self._publish(update=True, when=when)

    @property
    def has_more(self) -> bool:
        """Whether what was displayed lacks jobs that came since."""
        return len(self._jobs) > self._told

    def _standing(self) -> Standing:
        return self._census.take(self._jobs[:])

    def _has_ended(self, standing: Standing) -> bool:
        return not standing.has_active and all(job.ended.is_set() for job in standing.jobs)

    def _publish(self, *, update: bool, when: str = "") -> None:
        with self._publishing:
            standing = self._standing()
            ended = self._has_ended(standing)
            self._told = len(standing.jobs)
            self._told_end = ended and len(self._jobs) == self._told  # more may have come
            view = self._view(standing, ended=ended, when=when)
            ids = [job.spec.id for job in standing.jobs]
            if update:
                self._display.renew(view, ids)
            else:
                self._display.show(view, self._box, ids)

    def _view(self, standing: Standing, *, ended: bool, when: str = "") -> KeptView:
        outputs = self._outputs.html(standing.jobs)
        return kept_view(self._display.id, standing, outputs, ended=ended, when=when)

    def _fill(self, standing: Standing) -> None:
        send = self._sender
        send.set(self._errors, value=errors_html(standing))
        active = standing.has_active
        send.set(self._buttons, children=(self._cancel, self._open) if active else (self._open,))
        send.set(self._head, value=head_html(standing))

    def _toggle(self) -> None:
        self._wants_table = not self._wants_table
        self._wake()

    def _draw_table(self, standing: Standing) -> None:
        if not self._wants_table and self._table is not None:
            self._sender.set(self._slot, children=())
            self._table.close()
            self._table = None
        if self._wants_table and self._table is None:
            self._table = self._new_table(self._wake)
        if self._table is not None:
            self._table.draw(standing, "", TraitChanges())
            self._sender.set(self._slot, children=(self._table.box,))

    def _cancel_all(self) -> None:
        """Those that wait first, as else each that ends would let one of them begin."""
        for job in reversed(self._standing().active):
            job.cancel("cancelled from the card of its cell")
