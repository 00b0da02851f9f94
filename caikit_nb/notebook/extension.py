"""``%load_ext caikit_nb``: what it sets up, and how that is taken down again."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb import jobs as jobs_room
from caikit_nb.execution.exit_fd import open_fds
from caikit_nb.execution.forks import only_here
from caikit_nb.execution.reports import Reports
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.submission import Fresh, SessionHooks
from caikit_nb.notebook import cell_runner, open_files, process_settings
from caikit_nb.notebook.capture import TrackedClasses
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.experiment_views import ExperimentViews
from caikit_nb.notebook.group_cards import GroupCards
from caikit_nb.notebook.homecoming import Homecoming
from caikit_nb.notebook.job_shell import NOTEBOOK_SHELL, refuse_input_in_threads
from caikit_nb.notebook.kept_views import KeptViews
from caikit_nb.notebook.lab_comm import LabComm
from caikit_nb.notebook.live_tables import LiveTables
from caikit_nb.notebook.looks import LOST
from caikit_nb.notebook.magics import CaikitMagics
from caikit_nb.notebook.serve_command import ServeCommand
from caikit_nb.notebook.server_cards import ServerCards
from caikit_nb.notebook.settings import CaikitJobs
from caikit_nb.notebook.unattended import is_unattended
from caikit_nb.notebook.warm_start import WarmStart
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.session import Session, open_session

logger = Reports(__name__)

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_EXPERIMENT = ("caikit_nb.experiments.experiment", "Experiment")


class Extension:
    """One shell's session, magics, cards and settings."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.settings = CaikitJobs(parent=shell)
        hooks = _hooks(shell)
        self.session: Session = open_session(self.settings, hooks)
        executor = self.session.executor
        views = self.kept_views = KeptViews(lambda: self.session.executor.directory)
        run_when_idle = _run_when_idle(shell)
        self.homecoming = Homecoming(shell, run_when_idle)
        self.cards = Cards(shell, self.session, views, run_when_idle, self.homecoming.bring_back)
        if self.cards.job_widgets is not None:
            hooks.on_message = self.cards.job_widgets.on_message
        hooks.show = self._show_in_cell
        self.tables = LiveTables(shell, self.session, self.cards, views)
        self.groups = GroupCards(shell, self.session, self.cards, self.tables, views)
        hooks.submitted = self.groups.add
        first = [NOTEBOOK_SHELL] if _is_notebook(shell) else []
        self.warm_start = WarmStart(
            [*first, "caikit_nb.notebook.preload"], then=lambda: self.settings.preload
        )
        # After it: a card says what came home.
        self._events = self._register_events()
        self._apply_settings()
        if self.cards.has_widgets:
            refuse_input_in_threads(shell.kernel)  # type: ignore[attr-defined]
        self.lab_comm = LabComm(executor, views) if self.cards.has_widgets else None
        self.experiment_views = ExperimentViews(shell, self.cards, views)
        self.server_cards = ServerCards(shell, views, has_widgets=self.cards.has_widgets)
        self._shown = (self.cards, self.groups, self.tables, self.server_cards)
        self.session.servers.on_start.append(self.server_cards.show)
        shell.register_magics(self._magics())
        self._configurables().append(self.settings)
        # Cells write caikit_nb.progress(…) without an import of their own.
        self._push_package()
        self._show_values()
        atexit.register(self.close)

    def _apply_settings(self) -> None:
        """Some have an effect as soon as they change; in a forked job on its own jobs."""
        session, limits = self.session, ["max_results", "max_result_bytes"]
        self.settings.observe(lambda _: session.executor.queue.start_next(), "max_workers")
        self.settings.observe(lambda _: session.executor.retention.apply_limits(), limits)

    def _register_events(self) -> dict[str, Callable[..., None]]:
        # The cell of a forked job is none of the notebook's.
        events = {
            "pre_run_cell": only_here(self._begin_cell),
            "post_run_cell": only_here(self._end_cell),
        }
        for name, callback in events.items():
            self.shell.events.register(name, callback)
        return events

    def _magics(self) -> CaikitMagics:
        return CaikitMagics(
            self.shell,
            self.session,
            self.cards,
            self.tables,
            self.homecoming,
            self.settings,
            self.experiment_views,
            ServeCommand(self.session, self.server_cards, self.shell.user_ns),
        )

    def _show_values(self) -> None:
        """A future or ``caikit_nb.jobs`` that is the value of a cell shows its card or table."""
        formatter = self.shell.display_formatter.ipython_display_formatter  # type: ignore[union-attr]
        formatter.for_type(JobFuture, self.cards.show_as_value)
        formatter.for_type(ModelServer, self.server_cards.show_as_value)
        formatter.for_type_by_name(*_EXPERIMENT, self.experiment_views.show_as_value)
        module: Any = sys.modules[jobs_room.__name__]
        module.find_table = self.tables.show

    def _push_package(self) -> None:
        if "caikit_nb" not in self.shell.user_ns:
            self.shell.push({"caikit_nb": sys.modules["caikit_nb"]}, interactive=False)

    def _begin_cell(self, *_: Any) -> None:
        self.warm_start.begin_cell()
        self.cards.begin_cell()

    def _end_cell(self, result: Any = None) -> None:
        self._push_package()  # `%reset` takes it away with the user's own
        is_followed = self.lab_comm is not None and self.lab_comm.is_watched
        nobody_looks = not is_followed and is_unattended(self.shell)
        if nobody_looks and self.settings.wait_at_end:
            self._wait_for_all()
        for shown in self._shown:
            with logged("the end of a cell could not be told on all cards"):
                shown.end_cell(is_followed=is_followed, is_unattended=nobody_looks)
        self.warm_start.end_cell()
        if isinstance(error := getattr(result, "error_in_exec", None), NameError):
            self._say_who_made(error.name)

    def _say_who_made(self, name: str | None) -> None:
        """A variable that isn't here may be one that a job has made."""
        for future in reversed(self.session.executor.registry.all()):
            if said := self._origin(future, str(name)):
                sys.stderr.write(f"{said}\n")
                return

    def _origin(self, future: JobFuture, name: str) -> str:
        """Where a variable is that this job has made or brings; empty if it doesn't."""
        job = future._job
        if name in job.spec.outs and not job.ended.is_set():
            return f"{name} comes with job {job.spec.name}, which has not ended."
        if name in job.made.left:
            return (
                f"{name} was made by job {job.spec.name}, and was not kept: it can't be "
                f"pickled, or is larger than keep_made_bytes. -o {name} brings it or says why not."
            )
        if name in job.made.gone:
            return (
                f"{name} was made by job {job.spec.name}, whose result has been dropped: run it "
                f"again with -o {name}."
            )
        if name in job.made.untaken:
            return (
                f"{name} was made by job {job.spec.name}: bring it back on its card, or by "
                f"{self.homecoming.future_of(job)}.made[{name!r}]; -o {name} brings it by itself."
            )
        return ""

    def _wait_for_all(self) -> None:
        """Also for jobs that others start meanwhile, as a running search does."""
        registry = self.session.executor.registry
        while waiting := [future for future in registry.all() if not future.wait(0)]:
            for future in waiting:
                future.wait()

    def _show_in_cell(self, future: JobFuture) -> None:
        if threading.current_thread() is threading.main_thread():
            self.cards.show(future)

    def close(self, why: str = LOST.word) -> None:
        """End the session's jobs and stop showing them.

        Args:
            why: The state that jobs tell which have not ended.
        """
        atexit.unregister(self.close)
        self.warm_start.close()
        self.session.close(why)
        for shown in self._shown:
            with logged("the end of jobs could not be told on all cards"):
                shown.keep_ends()
        self.kept_views.finish()
        if self.lab_comm is not None:
            self.lab_comm.close()
        for name, callback in self._events.items():
            self.shell.events.unregister(name, callback)
        self.cards.close()
        self.groups.close()
        self.tables.close()
        self.experiment_views.close()
        self.homecoming.close()
        if self.settings in self._configurables():
            self._configurables().remove(self.settings)

    def _configurables(self) -> list[Any]:
        """What ``%config`` lists."""
        configurables: Any = self.shell.configurables
        return configurables  # type: ignore[no-any-return]


_extensions: dict[int, Extension] = {}


def load(shell: InteractiveShell) -> None:
    """Set a shell up, once."""
    if id(shell) not in _extensions:
        _extensions[id(shell)] = Extension(shell)


def unload(shell: InteractiveShell) -> None:
    """Take it down."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        running = [job.name for job in extension.session.registry.values() if not job.done()]
        extension.close("ended when caikit_nb was unloaded")
        if running:
            sys.stdout.write(
                f"caikit_nb is unloaded, and its jobs were ended: {', '.join(running)}\n"
            )
        extension.tables.freeze("its session has ended")
        lines = ("caikit_job", "caikit_jobs", "caikit_experiment", "caikit_serve")
        for kind, names in (("line", lines), ("cell", ("caikit_job",))):
            for name in names:
                shell.magics_manager.magics[kind].pop(name, None)


def _run_when_idle(shell: InteractiveShell) -> Callable[[Callable[[], None]], None] | None:
    """The way to the kernel's main thread, which is free between cells."""
    loop = getattr(getattr(shell, "kernel", None), "io_loop", None)
    if loop is None:
        return None
    return lambda call: loop.add_callback(_safe(call))


def _safe(call: Callable[[], None]) -> Callable[[], None]:
    """The call, in which code of the user's may run: `sys.exit` there would end the kernel."""

    def run() -> None:
        with logged("a call between two cells failed", BaseException):
            call()

    return run


@contextlib.contextmanager
def logged(what: str, kinds: type[BaseException] = Exception) -> Iterator[None]:
    """Log an error of these kinds, as what comes next must be done all the same."""
    try:
        yield
    except kinds:
        logger.exception("%s", what)


def _is_notebook(shell: InteractiveShell) -> bool:
    return type(shell).__module__ == NOTEBOOK_SHELL


def _hooks(shell: InteractiveShell) -> SessionHooks:
    return SessionHooks(
        function_runner=cell_runner.run_function,
        function_options=lambda: {"seen_sources": cell_runner.seen_sources(shell)},
        fresh=functools.partial(_fresh, shell),
        before_fork=functools.partial(_before_fork, shell, TrackedClasses(shell)),
        closed_fds=lambda: _kernel_sockets(shell),
    )


def _fresh(shell: InteractiveShell) -> Fresh:
    settings, left = process_settings.collect(shell)
    notes = (f"its fresh interpreter does not have: {', '.join(left)}",) if left else ()
    return Fresh({"settings": settings, "in_notebook": _is_notebook(shell)}, notes)


def _before_fork(shell: InteractiveShell, classes: TrackedClasses) -> None:
    classes.track()
    open_files.flush(tuple(shell.user_ns.values()))


def _kernel_sockets(shell: InteractiveShell) -> tuple[int, ...]:
    """The descriptors of the kernel's ports: a job that kept them would block a restart."""
    if getattr(shell, "kernel", None) is None:
        return ()
    app: Any = getattr(shell.kernel, "parent", None)  # type: ignore[attr-defined]
    ports = {getattr(app, f"{name}_port", 0) for name in _CHANNELS} - {0}
    # Asked at each fork, as connections come and go.
    return tuple(fd for fd in open_fds() if _port_of(fd) in ports)


def _port_of(fd: int) -> int | None:
    """The port at this end of a TCP socket; None if the descriptor is something else."""
    try:
        own = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        is_tcp = own.type == socket.SOCK_STREAM and own.family in _INTERNET
        return own.getsockname()[1] if is_tcp else None
    except OSError:
        return None
    finally:
        own.detach()


os.register_at_fork(after_in_child=_extensions.clear)
