"""Experiments and jobs as plain tables for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from caikit_nb.experiments.encoding import strict_json
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.statuses import JOB_STATUSES

_LONGEST = 40


def experiment_rows(experiments: Iterable[Experiment]) -> list[dict[str, Any]]:
    """A row for each experiment, with the number of its jobs by status."""
    rows = []
    for experiment in experiments:
        counts = experiment.counts()
        row = {"name": experiment.name, "search": experiment.SEARCH, "status": experiment.status}
        rows.append(row | {status.lower(): counts.get(status, 0) for status in JOB_STATUSES})
    return rows


def job_rows(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """A row for each job, with its hyperparameters and results."""
    return [
        {
            "id": job.job_id,
            "status": job.status,
            **{f"hyperparameter.{name}": value for name, value in job.hyperparameters.items()},
            **{f"result.{name}": value for name, value in job.results.items()},
        }
        for job in jobs
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as text in columns; a job may lack what others have."""
    if not rows:
        return "none"
    headings = list(dict.fromkeys(name for row in rows for name in row))
    shown = [name.rpartition(".")[2] if "." in name else name for name in headings]
    cells = [shown, *([_cell(row.get(name, "")) for name in headings] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def paragraph(values: Mapping[str, Any]) -> str:
    """A line for each value; those that are empty are left out."""
    shown = {name: _words(value) for name, value in values.items()}
    width = max(len(name) for name in shown)
    below = f"\n{' ' * (width + 2)}"
    return "\n".join(
        f"{name.ljust(width)}  {words.rstrip().replace(chr(10), below)}"
        for name, words in shown.items()
        if words
    )


def _words(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(strict_json(value), ensure_ascii=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join((value if isinstance(value, str) else _json(value)).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
