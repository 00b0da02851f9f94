"""Notebook cells and functions as background jobs.

In a notebook: ``%load_ext caikit_nb``, then ``%%caikit_job`` on a cell. In Python: `submit`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caikit_nb import errors, jobs
    from caikit_nb.jobs.executor import JobExecutor
    from caikit_nb.jobs.inside import current_job, log_metric, progress
    from caikit_nb.jobs.job_base import JobInfo
    from caikit_nb.jobs.job_future import JobFuture
    from caikit_nb.jobs.states import JobStatus
    from caikit_nb.session import background, options, serve, submit

__version__ = "0.1.0"

__all__ = [
    "JobExecutor",
    "JobFuture",
    "JobInfo",
    "JobStatus",
    "background",
    "current_job",
    "errors",
    "jobs",
    "load_ipython_extension",
    "log_metric",
    "options",
    "progress",
    "serve",
    "submit",
    "unload_ipython_extension",
]


_ROOMS = ("backends", "compat", "errors", "experiments", "jobs", "serving", "session", "testing")
# Loaded when they are asked for: guards, fork servers and fresh interpreters need few of them.
_HOMES = {
    "JobExecutor": "caikit_nb.jobs.executor",
    "JobFuture": "caikit_nb.jobs.job_future",
    "JobInfo": "caikit_nb.jobs.job_base",
    "JobStatus": "caikit_nb.jobs.states",
    "background": "caikit_nb.session",
    "current_job": "caikit_nb.jobs.inside",
    "log_metric": "caikit_nb.jobs.inside",
    "options": "caikit_nb.session",
    "progress": "caikit_nb.jobs.inside",
    "serve": "caikit_nb.session",
    "submit": "caikit_nb.session",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"caikit_nb.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds its extension in a checkout (`jupyter-builder develop`)."""
    return [{"src": "labextension", "dest": "caikit-nb"}]


def load_ipython_extension(shell: Any) -> None:
    """Add the magics to a kernel or a terminal: ``%load_ext caikit_nb``."""
    from caikit_nb.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics out again and end the session's jobs."""
    from caikit_nb.notebook.extension import unload

    unload(shell)
