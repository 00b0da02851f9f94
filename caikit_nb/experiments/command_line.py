"""``caikit-nb experiments …``: experiments without a notebook."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from caikit_nb.errors import ExperimentError
from caikit_nb.experiments.command_run import CommandRun, RunFailure, WorkerStopped, stop_on_signal
from caikit_nb.experiments.command_tables import experiment_rows, job_rows, paragraph, table
from caikit_nb.experiments.command_values import (
    describe_experiment,
    describe_job,
    make_experiment,
    parse_pairs,
)
from caikit_nb.experiments.database import DEFAULT_LEASE_S, ExperimentDB
from caikit_nb.experiments.encoding import strict_json
from caikit_nb.experiments.statuses import QUEUED, RUNNING

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Background jobs and experiments."
)
group = typer.Typer(no_args_is_help=True, help="Hyperparameters in, results out.")
app.add_typer(group, name="experiments")

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="CAIKIT_NB_EXPERIMENTS", help="The database's address."),
]
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT")]
JobId = Annotated[str | None, typer.Argument(metavar="JOB")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("-p", "--param", metavar="NAME=JSON", help="A hyperparameter, as lr=0.1."),
]
Results = Annotated[
    list[str] | None,
    typer.Option("-r", "--result", metavar="NAME=JSON", help="A result, as loss=0.5."),
]


class ExportFormat(StrEnum):
    """What `export` writes."""

    JSON = "json"
    CSV = "csv"


@app.callback()
def _main() -> None:
    """Background jobs and experiments."""


@contextmanager
def _opened(url: str | None, lease_s: float | None = DEFAULT_LEASE_S) -> Iterator[ExperimentDB]:
    """The database; what goes wrong with it is one line and exit status 1."""
    try:
        db = ExperimentDB(url, lease_s=lease_s)
        try:
            yield db
        finally:
            db.close()
    except (ExperimentError, ValueError, RunFailure) as error:
        typer.echo(f"caikit-nb: {error}", err=True)
        raise typer.Exit(1) from None
    except WorkerStopped:
        raise typer.Exit(128 + signal.SIGTERM) from None


@group.command("list")
def list_experiments(
    name: Annotated[str | None, typer.Argument(metavar="EXPERIMENT")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the experiments, or the jobs of one."""
    with _opened(url) as db:
        if name is None:
            rows = experiment_rows(db.get_experiments())
        else:
            rows = job_rows(db.get_experiment(name).all_jobs())
        _print(rows, as_json)


@group.command("show")
def show(name: Name, job_id: JobId = None, as_json: AsJson = False, url: Url = None) -> None:
    """Show an experiment, or one of its jobs."""
    with _opened(url) as db:
        experiment = db.get_experiment(name)
        shown = (
            describe_experiment(experiment)
            if job_id is None
            else describe_job(experiment.get_job(job_id))
        )
        typer.echo(_json(shown) if as_json else paragraph(shown))


@group.command("add")
def add(
    name: Name,
    search: Annotated[
        str, typer.Argument(metavar="SEARCH", help="manual, random, grid, pbt or optuna")
    ] = "manual",
    params: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARAMS",
            help='random: lr=\'{"loguniform": {"low": 1e-4, "high": 1}}\'; '
            "grid: lr='[0.1, 1]'; pbt and optuna: one JSON object, as show prints it.",
        ),
    ] = None,
    status: Annotated[str, typer.Option("-s", "--status")] = RUNNING,
    url: Url = None,
) -> None:
    """Add an experiment."""
    with _opened(url) as db:
        db.add_experiment(make_experiment(name, search, params or [], status))


@group.command("push")
def push(
    name: Name,
    params: Pairs = None,
    results: Results = None,
    status: Annotated[str, typer.Option("-s", "--status")] = QUEUED,
    url: Url = None,
) -> None:
    """Add a job, and print its id."""
    # A job that is pushed as RUNNING is somebody else's: this process ends at once.
    with _opened(url, lease_s=None) as db:
        job = db.get_experiment(name).add_job(
            parse_pairs(params or [], "-p"), status, parse_pairs(results or [], "-r")
        )
        typer.echo(job.job_id)


@group.command("rm")
def remove(
    name: Name,
    job_id: JobId = None,
    force: Annotated[bool, typer.Option("-f", "--force", help="Don't ask.")] = False,
    url: Url = None,
) -> None:
    """Remove an experiment with all its jobs, or one job."""
    with _opened(url) as db:
        experiment = db.get_experiment(name)
        job = None if job_id is None else experiment.get_job(job_id)
        count = sum(experiment.counts().values())
        what = f"job {job_id} of {name}" if job else f"experiment {name} with its {count} jobs"
        if not force:
            typer.confirm(f"Remove {what}?", abort=True)
        if job is None:
            experiment.delete()
        else:
            job.delete()


@group.command("run", context_settings={"allow_interspersed_args": False})
def run(
    name: Name,
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            help="%e: the experiment, %j: the job's id, %h: its hyperparameters as --name value, "
            "%%: a percent sign.",
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="One job only.")] = False,
    ignore_errors: Annotated[
        bool, typer.Option("--ignore-errors", help="Go on after a job that has crashed.")
    ] = False,
    allow_empty_results: Annotated[
        bool, typer.Option("--allow-empty-results", help="A job may print no results.")
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for a job while others run.")
    ] = 0.0,
    url: Url = None,
) -> None:
    """Run a command for each job.

    It prints its results as a JSON object behind a line --- RESULTS ---, until its end or a line
    --- END RESULTS ---.
    """
    with _opened(url) as db:
        stop_on_signal()
        runner = CommandRun(db.get_experiment(name), command, allow_empty=allow_empty_results)
        runner.run(once=once, ignore_errors=ignore_errors, wait_s=wait_s)


@group.command("export")
def export(
    name: Name,
    form: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.JSON,
    output: Annotated[Path | None, typer.Option("-o", "--output")] = None,
    url: Url = None,
) -> None:
    """Write all jobs of an experiment to a file, or print them."""
    with _opened(url) as db:
        experiment = db.get_experiment(name)
        if form is ExportFormat.CSV:
            text = str(experiment.to_pandas().to_csv())
        else:
            text = _json([describe_job(job) for job in experiment.all_jobs()]) + "\n"
        try:
            if output is None:
                typer.echo(text, nl=False)
            else:
                output.write_text(text, "utf-8", "backslashreplace")
        except OSError as error:
            raise ValueError(f"{output} can't be written: {error.strerror}") from None


@group.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8808,
    url: Url = None,
) -> None:
    """Serve Schedy's HTTP interface, so that its client works with this database."""
    # Clients of Schedy send no signs of life.
    with _opened(url, lease_s=None) as db:
        from caikit_nb.experiments.service import serve_forever

        serve_forever(db, host, port, lambda words: typer.echo(words, err=True))


@group.command("add-token")
def add_token(email: Annotated[str, typer.Argument(help="Whose it is.")], url: Url = None) -> None:
    """Make a token for `serve`, and print it: it is kept as a hash only."""
    with _opened(url) as db:
        from caikit_nb.experiments.tokens import Tokens

        typer.echo(Tokens(db).add(email))


def _print(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    typer.echo(_json(list(rows)) if as_json else table(rows))


def _json(value: Any) -> str:
    return json.dumps(strict_json(value), indent=2, ensure_ascii=False)
