"""Shows experiments and keeps the newest views up to date.

Others may work on an experiment, too, in other processes and on other machines. So what is shown
is looked up in its database, every second while something happens there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.errors import ExperimentError, NotInDatabaseError
from caikit_nb.execution.watcher import stillness
from caikit_nb.experiments import running
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.encodable import encodable
from caikit_nb.notebook.kept_views import KeepPace, KeptViews
from caikit_nb.notebook.live_tables import Place
from caikit_nb.notebook.plotter import Plotter
from caikit_nb.notebook.view_bundle import KeptView, at_clock
from caikit_nb.notebook.view_display import ViewDisplay

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment
    from caikit_nb.experiments.picture import Picture

logger = logging.getLogger(__name__)

MOST_LIVE = 3
_MOST_STILL = 10
_BUSY_S, _IDLE_S = 1.0, 5.0


class ExperimentViews:
    """The views of a session; plain text where there are no widgets."""

    def __init__(self, shell: InteractiveShell, cards: Cards, views: KeptViews) -> None:
        self._shell, self._cards, self._views = shell, cards, views
        self._plotter, self._pid = Plotter(), os.getpid()
        self._shown: list[ExperimentView] = []
        # Those that stand still until their experiment does.
        self._still: list[ExperimentView] = []
        self._wakened, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        running.on_run.append(self._show_run)

    def show_named(self, name: str, url: str | None) -> None:
        """Show the experiment of that name, or a line for each if there is no name.

        Raises:
            ExperimentError: there is none.
        """
        from caikit_nb.trials.cell_trial import open_database

        db = open_database(url)
        if name:
            self.show(db.get_experiment(name))
            return
        found = list(db.get_experiments())
        for experiment in found:
            counts = ", ".join(f"{n} {status.lower()}" for status, n in experiment.counts().items())
            print(f"{experiment.name}  {type(experiment).__name__}, {counts or 'no jobs yet'}")
        if not found:
            print("no experiments yet: %%caikit_job -e NAME makes one")

    def show(
        self, experiment: Experiment, run: running.ExperimentRun | None = None
    ) -> ExperimentView:
        """Show an experiment in the running cell.

        Args:
            experiment: Which.
            run: What has begun to run its jobs, if anything has.
        """
        place = Place.of_running_cell(self._shell) if self._cards.has_widgets else Place(None, None)
        view = ExperimentView(
            experiment, run, self._shell, place, self._plotter, self._cards, self._views
        )
        view.show()
        if not self._cards.has_widgets:
            return view
        before = [*self._still, *self._shown]
        gone = [each for each in before if each.place.is_overwritten_by(place)]
        shown = [*(each for each in self._shown if each not in gone), view]
        still = [*(each for each in self._still if each not in gone), *shown[:-MOST_LIVE]]
        self._still, self._shown = still[-_MOST_STILL:], shown[-MOST_LIVE:]
        for each in gone:
            each.close()
        self._wakened.set()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="caikit_nb experiment views", daemon=True
            )
            self._thread.start()
        return view

    def show_as_value(self, experiment: Experiment) -> None:
        """Show an experiment that is a cell's value; its name alone in a job or in no database."""
        try:
            if os.getpid() == self._pid:
                self.show(experiment)
                return
        except NotInDatabaseError:
            pass
        print(repr(experiment))

    def close(self) -> None:
        """Draw no more."""
        self._closed = True
        self._wakened.set()
        self._plotter.close()
        if self._show_run in running.on_run:
            running.on_run.remove(self._show_run)

    def _show_run(self, run: running.ExperimentRun) -> None:
        view = self.show(run.experiment, run)
        if self._cards.has_widgets:
            # A notebook that is executed without a page is over once the run is.
            run.on_end.append(lambda: self._end(view))

    def _end(self, view: ExperimentView) -> None:
        view.run_is_over()
        self._draw(view)

    def _run(self) -> None:
        pid, wait_s = os.getpid(), _BUSY_S
        while not self._closed and os.getpid() == pid:
            self._wakened.wait(wait_s)
            self._wakened.clear()
            began = time.monotonic()
            busy = [self._draw(view) for view in list(self._shown)]
            busy += [self._settle(view) for view in list(self._still)]
            # Of thousands of jobs it takes a while, in which cells are slower.
            wait_s = max(_BUSY_S if any(busy) else _IDLE_S, 4 * (time.monotonic() - began))

    def _settle(self, view: ExperimentView) -> bool:
        """Draw a view that stands still for the last time, once nothing happens any more.

        Returns:
            Whether that is to come.
        """
        try:
            if view.is_active:
                return True
        except ExperimentError as error:
            logger.info("a view stands still: %s", error)
        self._still = [each for each in self._still if each is not view]
        return self._draw(view)

    def _draw(self, view: ExperimentView) -> bool:
        """Bring a view up to date; returns whether something happens in its experiment."""
        try:
            return view.draw()
        except ExperimentError as error:
            logger.info("a view stands still: %s", error)
        except Exception:
            logger.exception("a view can't be drawn")
        self._shown = [each for each in self._shown if each is not view]
        return False


class ExperimentView:
    """One view.

    Args:
        experiment: What is shown.
        run: What runs its jobs; None if that isn't known.
        shell: Where it is displayed.
        place: The cell that shows it.
        plotter: Draws its plots.
        cards: Where the cards of its jobs come from.
    """

    def __init__(
        self,
        experiment: Experiment,
        run: running.ExperimentRun | None,
        shell: InteractiveShell,
        place: Place,
        plotter: Plotter,
        cards: Cards,
        views: KeptViews,
    ) -> None:
        self._experiment, self._run = experiment, run
        self.place, self._cards, self._pace = place, cards, KeepPace(views)
        self._plotter, self._turn = plotter, threading.Lock()
        self._display = ViewDisplay(shell, views)
        self._drawn: Hashable = None
        self._is_settled = False

    def show(self) -> None:
        """Display it; while jobs run without its plots, which come soon."""
        from caikit_nb.experiments.picture import Picture
        from caikit_nb.notebook.experiment_parts import view_html, view_text

        seen, picture = self._experiment.fingerprint(), Picture.of(self._experiment)
        if not self._cards.has_widgets:
            print(view_text(picture))
            return
        from caikit_nb.notebook.card_widgets import CardWidgets
        from caikit_nb.notebook.experiment_cards import ExperimentCards

        self._is_settled = not (picture.is_active or self._goes_on)
        self._drawn = seen if self._is_settled else None
        plots = self._plots(picture) if self._is_settled else ()
        make, self._job_cards = CardWidgets(), ExperimentCards(self._cards)
        self._html = make.html(value=encodable(view_html(picture, plots, self._plotter.why_none)))
        self._box = make.column(children=[self._html, self._job_cards.box])
        self._job_cards.offer(picture.jobs)
        self._publish(picture, plots, update=False)

    def close(self) -> None:
        """Its cell shows something else."""
        self._job_cards.close()

    def draw(self) -> bool:
        """Bring it up to date; returns whether something happens in its experiment."""
        from caikit_nb.notebook.experiment_parts import view_html

        with self._turn:
            with stillness.working():
                is_active, picture = self._look()
            if picture is None:
                return is_active
            self._job_cards.offer(picture.jobs)
            plots = self._plots(picture)
            with stillness.working():
                self._html.value = encodable(view_html(picture, plots, self._plotter.why_none))
                self._is_settled = not is_active
                if self._is_settled:
                    # What a saved notebook keeps; while jobs run it would redraw the page.
                    self._publish(picture, plots, update=True)
                else:
                    self._pace.offer(lambda: self._kept(picture, plots))
            return is_active

    def run_is_over(self) -> None:
        """No more jobs come from what has run them."""
        self._run = None

    @property
    def is_active(self) -> bool:
        """Whether something happens in its experiment.

        Raises:
            ExperimentError: that can't be said.
        """
        counts = self._experiment.counts()
        return bool(counts.get("RUNNING") or counts.get("QUEUED")) or self._goes_on

    @property
    def _goes_on(self) -> bool:
        """Whether more jobs may come."""
        run = self._run
        return run is not None and run.is_running

    def _look(self) -> tuple[bool, Picture | None]:
        """Whether something happens, and how it stands if that is not what was drawn."""
        from caikit_nb.experiments.picture import Picture

        is_active = self.is_active
        seen = self._experiment.fingerprint()
        if seen == self._drawn and is_active != self._is_settled:
            return is_active, None
        self._drawn = seen
        return is_active, Picture.of(self._experiment)

    def _plots(self, picture: Picture) -> Sequence[str]:
        from caikit_nb.notebook.experiment_plots import Trials

        return self._plotter.draw(Trials.of(picture))

    def _kept(self, picture: Picture, plots: Sequence[str]) -> KeptView:
        from caikit_nb.notebook.experiment_parts import UNFINISHED, view_html, view_text

        moment = "" if self._is_settled else at_clock()
        kept = view_html(picture, plots, self._plotter.why_none, moment)
        # Others may run its jobs as well: those need not have ended with this kernel.
        lost = UNFINISHED if moment else ""
        return KeptView(self._display.id, kept, view_text(picture, moment), not moment, lost)

    def _publish(self, picture: Picture, plots: Sequence[str], *, update: bool) -> None:
        view = self._kept(picture, plots)
        if update:
            self._display.renew(view)
        else:
            self._display.show(view, self._box)
