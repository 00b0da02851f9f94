"""Runs a command of any language for each job of an experiment (contracts S31)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from caikit_nb.errors import NoJobError, UnstorableValueError
from caikit_nb.experiments.encoding import from_json, plain_values
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.statuses import QUEUED

_BEGIN, _END = "--- RESULTS ---", "--- END RESULTS ---"


class RunFailure(Exception):
    """A job's command has failed; the job is CRASHED with this reason."""


class WorkerStopped(Exception):
    """The worker was told to end; another will run its job."""


def stop_on_signal() -> None:
    """Have this process end its command and give its job back when it gets SIGTERM."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise WorkerStopped("its worker was told to end")

    signal.signal(signal.SIGTERM, stop)


class CommandRun:
    """A command, and the experiment whose jobs it runs.

    Args:
        experiment: The experiment.
        command: Program and arguments, with ``%e``, ``%j``, ``%h`` and ``%%`` in them.
        allow_empty: Whether a job may print no results.

    Raises:
        ValueError: a ``%`` stands before something else.
    """

    def __init__(
        self, experiment: Experiment, command: Sequence[str], *, allow_empty: bool = False
    ) -> None:
        self._experiment, self._command, self._allow_empty = experiment, command, allow_empty
        for part in command:
            _expanded(part, {"e": "", "j": ""})

    def run(self, *, once: bool, ignore_errors: bool, wait_s: float = 0.0) -> None:
        """Run jobs until none is left.

        Args:
            once: One job only.
            ignore_errors: Go on after a job that has crashed.
            wait_s: How long to wait for a job while others run.

        Raises:
            RunFailure: a job has crashed.
            WorkerStopped: by SIGTERM (see `stop_on_signal`).
            NoJobError: `once`, and there is no job.
        """
        while True:
            try:
                job = self._experiment.next_job(wait_s)
            except NoJobError:
                if once:
                    raise
                return
            try:
                with job:
                    self._run_one(job)
            except WorkerStopped as stopped:
                job.status, job.reason = QUEUED, str(stopped)
                job.put()
                raise
            except RunFailure as failure:
                if not ignore_errors:
                    raise RunFailure(f"job {job.job_id}: {failure}") from None
                print(f"job {job.job_id}: {failure}", file=sys.stderr)  # noqa: T201
            if once:
                return

    def _run_one(self, job: Job) -> None:
        arguments = list(self._arguments(job))
        try:
            process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise RunFailure(f"{arguments[0]} can't be run: {error.strerror}") from None
        try:
            results = self._read(process)
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        if process.returncode:
            raise RunFailure(f"{arguments[0]} has ended with {_ending(process.returncode)}")
        job.results |= self._parse(results)

    def _arguments(self, job: Job) -> Iterator[str]:
        values = {"e": self._experiment.name, "j": job.job_id}
        for part in self._command:
            if part == "%h":
                yield from _options(job.hyperparameters)
            else:
                yield _expanded(part, values)

    def _read(self, process: subprocess.Popen[str]) -> str:
        """Pass on what it prints; returns what stands between the two lines."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        results: list[str] = []
        inside = False
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if line.strip() == _BEGIN:
                results.clear()
                inside = True
            elif line.strip() == _END:
                inside = False
            elif inside:
                results.append(line)
        process.stdout.close()
        return "".join(results)

    def _parse(self, text: str) -> dict[str, Any]:
        if not text.strip():
            if self._allow_empty:
                return {}
            raise RunFailure(f"it printed no results behind a line {_BEGIN}")
        try:
            return plain_values(from_json(text), "results")
        except (json.JSONDecodeError, UnstorableValueError, RecursionError) as error:
            raise RunFailure(f"its results are not a JSON object: {error}") from None


def _options(hyperparameters: dict[str, Any]) -> Iterator[str]:
    """``--name value`` for each; null has no option."""
    for name, value in hyperparameters.items():
        if value is not None:
            yield f"--{name.replace('_', '-')}"
            yield value if isinstance(value, str) else json.dumps(value)


def _expanded(part: str, values: dict[str, str]) -> str:
    if part == "%h":
        return part
    text, rest = "", part
    while rest:
        before, sign, rest = rest.partition("%")
        text += before
        if not sign:
            break
        mark, rest = rest[:1], rest[1:]
        if mark == "%":
            text += "%"
        elif mark in values and mark:
            text += values[mark]
        else:
            raise ValueError(f"{part!r}: write %e, %j, %% or %h alone, not %{mark}")
    return text


def _ending(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"signal {-code}"
