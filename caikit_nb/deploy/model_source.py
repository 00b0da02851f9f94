"""What is to be served, as its owner names it: a job, a row of an experiment, a path, an object."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caikit_nb.errors import ServerError
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.states import JobStatus

Trusted = bool | str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

_ACCEPTED = (
    "a job, the best job of an experiment, a path, a model with a method predict, or a function"
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model, and what a server needs to know about it.

    Attributes:
        name: What it is called unless its owner says otherwise.
        path: Its file or folder; None for an object.
        model: The object; None for a path.
        trusted: Where files may be read that run code then.
    """

    name: str
    path: Path | None = None
    model: Any = None
    trusted: tuple[Path, ...] = field(default=())


def find_source(source: Any, trusted: Trusted, jobs: Iterable[JobFuture]) -> ModelSource:
    """Find out what is to be served.

    Args:
        source: As given to `serve`.
        trusted: True to trust the path itself; or folders and files.
        jobs: Those of this session: what they saved is trusted.

    Raises:
        ServerError: a job has no model; says why.
        TypeError: it is nothing that can be served.
    """
    jobs = list(jobs)
    found = _find(source, jobs)
    own = (found.path,) if trusted is True and found.path is not None else _paths(trusted)
    saved = [Path(job.save_path).absolute() for job in jobs if job.save_path]
    return replace(found, trusted=(*found.trusted, *own, *saved))


def _find(source: Any, jobs: list[JobFuture]) -> ModelSource:
    """It, and only what it has saved itself is trusted."""
    if isinstance(source, JobFuture):
        return _of_job(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser().absolute()
        return ModelSource(_identifier(path.stem), path)
    if _is_row(source):
        return _of_row(source, jobs)
    if _is_model(source):
        name = getattr(source, "__name__", type(source).__name__)
        return ModelSource(_identifier(name), model=source)
    raise TypeError(f"serve takes {_ACCEPTED}, not {type(source).__name__}")


def _of_job(job: JobFuture) -> ModelSource:
    if job.status is not JobStatus.COMPLETED:
        raise ServerError(
            f"job {job.name!r} is {job.status.word}: only a completed job has a model"
        )
    if job.save_path:
        path = Path(job.save_path).absolute()
        if path.exists():
            return ModelSource(_identifier(job.name), path, trusted=(path,))
    made = {"its result": job.result(), **job.outputs}
    # A cell's last line is often one that --out names.
    models = {id(value): (name, value) for name, value in made.items() if _is_model(value)}
    if len(models) == 1:
        ((_, model),) = models.values()
        return ModelSource(_identifier(job.name), model=model)
    if models:
        names = ", ".join(name for name, _ in models.values())
        raise ServerError(f"job {job.name!r} has several models: serve one of {names}")
    raise ServerError(
        f"job {job.name!r} has no model: have it save one at current_job().save_path "
        "(--save-path, or save_path= of run), "
        "or return one as its result or as one of its --out variables"
    )


def _is_model(value: Any) -> bool:
    return callable(value) or hasattr(value, "predict") or hasattr(value, "transform")


def _is_row(source: Any) -> bool:
    """Whether it is a row of an experiment; without importing what experiments need."""
    module = sys.modules.get("caikit_nb.experiments.job")
    return module is not None and isinstance(source, module.Job)


def _of_row(row: Any, jobs: list[JobFuture]) -> ModelSource:
    from caikit_nb.trials.recorder import job_of

    job = job_of(row)
    future = next((each for each in jobs if job is not None and each.id == job.spec.id), None)
    if future is None:
        raise ServerError(
            f"job {row.job_id} of experiment {row.experiment.name!r} was not run by this "
            "session: serve the path where it saved its model"
        )
    return _of_job(future)


def _paths(trusted: Trusted) -> tuple[Path, ...]:
    if isinstance(trusted, bool):
        return ()
    given = [trusted] if isinstance(trusted, str | os.PathLike) else trusted
    return tuple(Path(each).expanduser().absolute() for each in given)


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_") or "model"
