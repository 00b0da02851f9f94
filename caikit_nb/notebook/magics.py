"""The magics: they read a line, and hand over."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from caikit_nb.errors import CaikitNbError
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.submission import Work
from caikit_nb.notebook import cell_runner
from caikit_nb.notebook.capture import Capture
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.cell_options import NOT_GIVEN, CellOptions
from caikit_nb.notebook.experiment_cells import begin_trial
from caikit_nb.notebook.experiment_views import ExperimentViews
from caikit_nb.notebook.homecoming import Homecoming
from caikit_nb.notebook.jobs_command import JobsCommand
from caikit_nb.notebook.live_tables import LiveTables
from caikit_nb.notebook.magic_options import (
    parse_cell_line,
    parse_expression_line,
    whole_line,
)
from caikit_nb.notebook.serve_command import ServeCommand
from caikit_nb.notebook.settings import CaikitJobs
from caikit_nb.session import Session

if TYPE_CHECKING:
    from caikit_nb.trials.cell_trial import CellTrial


@magics_class
class CaikitMagics(Magics):
    """``%%caikit_job``, ``%caikit_job`` and the magics that show and serve what jobs made."""

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        cards: Cards,
        tables: LiveTables,
        homecoming: Homecoming,
        settings: CaikitJobs,
        views: ExperimentViews,
        serve_command: ServeCommand,
    ) -> None:
        super().__init__(shell)
        self._shell = shell
        self._session, self._cards, self._homecoming = session, cards, homecoming
        self._settings, self._views = settings, views
        self._command, self._serve_command = JobsCommand(session, cards, tables), serve_command

    @line_cell_magic
    def caikit_job(self, line: str, cell: str | None = None) -> JobFuture | None:
        """Run this cell, or the expression of this line, as a background job.

        %%caikit_job [NAME] [options]      submits the cell
        %caikit_job [options] EXPRESSION   submits one expression, and returns its future

        -o, --out NAMES           variables brought back when the job completes
        -i, --in NAMES            variables shipped to a fresh interpreter, else what it needs
        -m, --start-method WAY    auto, fork, forkserver, spawn or thread
        -b, --backend NAME        where: local, dask, inline (here and now, for debugging), …
        --resources NAME=AMOUNT   what a cluster's worker must have free: GPU=1 (repeatable)
        --on WORKER               the cluster's worker that must run it: a name, address or host
        -p, --param K=V           a hyperparameter, bound as a variable in the job (repeatable)
        -e, --experiment NAME     record the job in that experiment, with its source and metrics
        --next                    run that experiment's next job: its hyperparameters are variables
        --retain DURATION         how long the result is kept: 90s, 1h30m, 1d, forever
        --timeout DURATION        end the job when it has run that long
        --memory-limit SIZE       end the job past so much memory of its own: 4GB, 512MiB
        --after NAMES             start when these jobs have completed
        --retries N               run it anew if it fails, at most so many times
        --seed N                  what its random numbers begin with
        --save-path PATH          where the job saves: caikit_nb.current_job().save_path in it
        --save-with-id            save in a directory of its own there; it goes with the result
        --wait                    block until the job ends
        --quiet                   show no card
        """
        namespace, jobs = self._shell.user_ns, self._session.registry
        try:
            if cell is None:
                options, source = parse_expression_line(line, namespace, jobs)
            else:
                line, source = whole_line(line, cell)
                options = parse_cell_line(line, namespace, jobs)
            future = self._submit_and_bind(options, source, line if cell is not None else None)
        except UsageError as error:
            raise UsageError(_named(str(error), is_cell=cell is not None)) from None
        self._show(future, quiet=options.quiet, is_value=cell is None)
        if options.wait:
            future.wait()
        return future if cell is None else None

    @line_magic
    def caikit_jobs(self, line: str) -> Any:
        """Show this session's jobs, or act on them.

        %caikit_jobs                       the table, live
        %caikit_jobs cancel NAME...        end them and all they started ('all' for every one)
        %caikit_jobs interrupt NAME...     raise KeyboardInterrupt in them
        %caikit_jobs logs NAME...          what they printed
        %caikit_jobs show NAME...          draw their cards here
        %caikit_jobs wait [NAME...]        block until they have ended
        %caikit_jobs pin NAME...           keep results whatever their retention and the limits say
        %caikit_jobs unpin NAME...         take that back
        %caikit_jobs du [NAME...]          what each result holds, and when it will go
        %caikit_jobs purge [NAME...]       drop results and log files, of all that have ended if
                                           unnamed; with --output what their cards show as well
        """
        return self._command.run(line)

    @line_magic
    def caikit_experiment(self, line: str) -> None:
        """Show an experiment, live: its jobs, the best of them, and plots.

        %caikit_experiment           lists the experiments
        %caikit_experiment NAME      shows one
        """
        try:
            self._views.show_named(line.strip(), self._settings.experiments)
        except (CaikitNbError, ValueError, ImportError) as error:
            raise UsageError(f"%caikit_experiment: {error}") from None

    @line_magic
    def caikit_serve(self, line: str) -> Any:
        """Serve a model over gRPC, in a process of its own.

        %caikit_serve                      lists the servers
        %caikit_serve NAME [options]       serves the model of a job or a variable, or of a path
        %caikit_serve stop [NAME...]       ends servers, all if unnamed
        %caikit_serve show [NAME...]       draws their cards here

        --name NAME       what clients call the model
        --port N          the port; any that is free if it isn't given
        --socket PATH     a unix socket instead
        --token           callers need the server's token
        --trust [PATH]    read pickles there, which runs their code; the path itself if unnamed
        --type TYPE       the format, if the file's ending doesn't tell it
        """
        return self._serve_command.run(line)

    def _show(self, future: JobFuture, *, quiet: bool, is_value: bool) -> None:
        if quiet:
            self._cards.show_nothing(future)
        elif self._cards.has_widgets or not is_value:
            self._cards.show(future)  # a terminal prints the value that the magic returns

    def _submit_and_bind(self, options: CellOptions, source: str, line: str | None) -> JobFuture:
        future = self._submit(options, source, line)
        namespace = self._shell.user_ns
        # When it is run again its name may be something else's.
        if options.name is not None and isinstance(namespace.get(options.name, future), JobFuture):
            namespace[options.name] = future
        future._job.again = lambda: self._submit_and_bind(options, source, line)
        return future

    def _submit(self, options: CellOptions, source: str, line: str | None) -> JobFuture:
        comment = "" if line is None or source.lstrip().startswith("%%") else _comment(line)
        _check_syntax(self._shell, comment + source)
        try:
            trial = begin_trial(options, source.strip("\n"), self._settings.experiments)
            try:
                return self._submit_cell(options, source, comment, trial)
            except BaseException:
                if trial is not None:
                    trial.give_up()
                raise
        except (CaikitNbError, ValueError, ImportError) as error:
            raise UsageError(f"%%caikit_job: {error}") from None

    def _submit_cell(
        self, options: CellOptions, source: str, comment: str, trial: CellTrial | None
    ) -> JobFuture:
        params = dict(options.params if trial is None else trial.hyperparameters)
        capture = Capture(self._shell, source, options.names_in, tuple(params))
        writes = capture.writes()
        plain = {
            "source": comment + source,
            "outs": options.out,
            "doubted": capture.doubt(options.out),
            "writes": writes,
            "params": params,
            "names_in": options.names_in,
            "imports": capture.submodules(),
            "seen_sources": cell_runner.seen_sources(self._shell),
        }
        work = Work(cell_runner.run_cell, capture.inputs, plain, source.strip("\n"), options.out)

        future = self._session.executor.submit_work(
            work,
            _job_options(options, params, trial),
            before_start=lambda job: self._homecoming.expect(job, options.out, writes),
            before_first_start=lambda job: None if trial is None else trial.follow(job),
        )
        future._job.notes.extend(capture.notes)
        return future


def _job_options(
    options: CellOptions, params: Mapping[str, Any], trial: CellTrial | None
) -> JobOptions:
    chosen: dict[str, Any] = {
        "timeout": options.timeout,
        "params": params,
        "memory_limit": options.memory_limit,
        "after": options.after,
        "retries": options.retries,
        "seed": options.seed,
        "backend": options.backend,
        "resources": options.resources,
        "on": options.on,
        "save_path": options.save_path,
        "save_with_id": options.save_with_id,
        "experiment": options.experiment or "",
        "trial": None if trial is None else trial.stored,
    }
    if options.retain is not NOT_GIVEN:
        chosen["retain"] = options.retain
    return JobOptions(options.name, options.start_method, **chosen)


def _named(text: str, *, is_cell: bool) -> str:
    """An error's text, speaking of the magic that was used."""
    if is_cell:
        return text
    return text.replace("%%caikit_job", "%caikit_job").replace(
        "line 1 of the cell", "the expression"
    )


def _comment(line: str) -> str:
    """The magic's own lines, so that line numbers in tracebacks are those of the cell."""
    return "".join(f"# {part}\n" for part in f"%%caikit_job {line}".split("\n"))


def _check_syntax(shell: InteractiveShell, source: str) -> None:
    try:
        tree = shell.transform_cell(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the job gives them
            # To the end: the parser alone lets a return outside a function pass.
            compile(tree, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        at = f"line {error.lineno} of the cell" if error.lineno else "the cell"
        text = (error.text or "").strip()
        raise UsageError(
            f"%%caikit_job: SyntaxError in {at}: {error.msg}{f': {text}' if text else ''}"
        ) from None
