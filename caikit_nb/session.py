"""The one place where the rooms are wired together for a kernel or a script."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from caikit_nb import jobs as jobs_room
from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.guardian import guardian
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.experiments import running
from caikit_nb.jobs import paths
from caikit_nb.jobs.executor import CLOSED, JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.journal import Journal
from caikit_nb.jobs.options import (
    DefaultPolicy,
    Duration,
    JobOptions,
    Policy,
    check_resources,
    check_retries,
)
from caikit_nb.jobs.submission import SessionHooks, session_hooks, set_session_hooks

if TYPE_CHECKING:
    from caikit_nb.deploy.servers import Servers
    from caikit_nb.serving.model_server import ModelServer


class Session(NewInFork):
    """A process's jobs and their executor.

    A forked child has none of its parent's jobs and servers: there it is an empty one, with the
    same settings.

    Args:
        policy: The settings, read anew each time they matter.
        hooks: What a notebook adds.
    """

    def __init__(self, policy: Policy | None = None, hooks: SessionHooks | None = None) -> None:
        self.policy = policy or DefaultPolicy()
        # Its jobs are found by name, also in a script.
        self._hooks = hooks or dataclasses.replace(session_hooks(), keeps_results=True)
        super().__init__()

    def _reset(self) -> None:
        self._executor = JobExecutor(policy=self.policy, hooks=self._hooks)
        self._servers: Servers | None = None
        Journal(self._executor.events)

    @property
    def executor(self) -> JobExecutor:
        """What runs its jobs."""
        self._know_fork()
        return self._executor

    @property
    def registry(self) -> Mapping[str, JobFuture]:
        """The session's jobs by name and id."""
        return self.executor.registry

    @property
    def servers(self) -> Servers:
        """The session's model servers by name."""
        from caikit_nb.deploy.servers import Servers

        self._know_fork()
        if self._servers is None:
            self._servers = Servers(self.executor.registry, _version())
        return self._servers

    def close(self, why: str = CLOSED) -> None:
        """End every job and server that has not ended, and wait until nothing of them is left.

        Args:
            why: The reason that such a job tells.
        """
        self._know_fork()
        if self._servers is not None:
            self._servers.close()
        self.executor.close(why)


_current: Session | None = None
_housekeeping = SerialThread("caikit_nb housekeeping")


def current_session() -> Session:
    """This process's session; it is made with the first use."""
    global _current
    if _current is None:
        _current = Session()
    return _current


def open_session(policy: Policy, hooks: SessionHooks) -> Session:
    """Give this process a session of these settings and hooks."""
    global _current
    guardian.ensure_running()
    set_session_hooks(hooks)
    _housekeeping.put(lambda: paths.remove_dead_sessions(paths.sessions_directory()))
    _current = Session(policy, hooks)
    return _current


def _run_experiment(
    experiment: Any,
    train: Callable[..., Any],
    workers: int | None,
    jobs: int | None,
    values: Mapping[str, Any],
) -> Any:
    """How `Experiment.run` works here; what it needs is imported with its first use."""
    from caikit_nb.trials.experiment_run import BackgroundRun

    executor = current_session().executor
    return BackgroundRun(executor, experiment, train, workers, jobs, _checked(dict(values)))


running.set_run(_run_experiment)

module: Any = sys.modules[jobs_room.__name__]
module.find_registry = lambda: current_session().registry


class Options:
    """How the next calls become jobs; made by `options`."""

    def __init__(self, values: JobOptions) -> None:
        self._values = values

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Like `caikit_nb.submit`, with these options."""
        executor = current_session().executor
        return _submitted(executor.submit_function(self._values, function, args, kwargs))


def submit(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
    """Run ``function(*args, **kwargs)`` as a background job and return its future at once.

    Raises:
        TypeError: `function` can't be called.
        UnpicklableError: it or an argument can't be shipped to a fresh interpreter.
        ForkRefusedError: the start method is ``fork``, and a fork isn't safe here.
    """
    return _submitted(current_session().executor.submit(function, *args, **kwargs))


def _submitted(future: JobFuture) -> JobFuture:
    session_hooks().submitted(future)
    return future


def options(**values: Any) -> Options:
    """Options for jobs: ``options(start_method="spawn", retain="2h").submit(train, data)``.

    Args:
        **values: See `caikit_nb.jobs.options.JobOptions`.

    Raises:
        TypeError: an unknown option; names those that exist.
        ValueError: a value that isn't accepted.
    """
    return Options(_checked(values))


def background(function: Callable[..., Any] | None = None, /, **values: Any) -> Any:
    """Make a function whose every call is a job: ``@background`` or ``@background(retain="1h")``.

    Raises:
        TypeError: an unknown option; names those that exist.
        ValueError: a value that isn't accepted.
    """
    chosen = Options(_checked(values))

    def decorate(wrapped: Callable[..., Any]) -> Callable[..., JobFuture]:
        @functools.wraps(wrapped)
        def submit_it(*args: Any, **kwargs: Any) -> JobFuture:
            return chosen.submit(wrapped, *args, **kwargs)

        return submit_it

    return decorate if function is None else decorate(function)


def serve(source: Any, name: str | None = None, **settings: Any) -> ModelServer:
    """Serve a model over gRPC, in a process of its own, and return once it answers.

    It ends with its `stop`, with this process, and where another is served under its name.

    Args:
        source: A job that has saved, returned or brought back a model, the best of an experiment
            (``serve(search.best())``), a path, a model with ``predict``, or a function of arrays.
        name: What clients call the model; its own name if None.
        **settings: ``port`` (any that is free), ``host`` (this machine only), ``socket`` for a
            unix socket instead, ``tls`` (the files of certificate and key), ``token`` (True for
            a new one), ``trusted`` (True, or folders: reading a pickle runs its code),
            ``model_type`` if the file's ending doesn't tell it, ``root`` for further models; and
            the numbers of `caikit_nb.serving.limits.ServerLimits`.

    Raises:
        ServingError: the model can't be loaded, or the server can't listen; says why.
        TypeError: `source` is nothing that can be served, or a setting is unknown.
        ValueError: a setting's value isn't accepted.
    """
    return current_session().servers.start(source, name, **settings)


def _version() -> str:
    return str(sys.modules["caikit_nb"].__version__)


def _checked(values: dict[str, Any]) -> JobOptions:
    from caikit_nb.backends import backend_types
    from caikit_nb.jobs.durations import parse_duration
    from caikit_nb.jobs.save_paths import check_save_path
    from caikit_nb.jobs.seeds import seed_of
    from caikit_nb.jobs.sizes import parse_size
    from caikit_nb.jobs.start_method import check_start_method

    known = {field.name for field in dataclasses.fields(JobOptions)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise TypeError(
            f"unknown option {unknown[0]!r}: the options are {', '.join(sorted(known))}"
        )
    for name in ("retain", "timeout"):
        if name in values:
            parse_duration(values[name])
    if values.get("memory_limit") is not None:
        parse_size(values["memory_limit"])
    check_save_path(values.get("save_path"))
    check_retries(values.get("retries", 0))
    seed_of(values.get("seed"), 0)
    if values.get("start_method") is not None:
        check_start_method(values["start_method"])
    check_resources(values.get("resources", {}))
    if values.get("backend") is not None:
        backend_types.backend_class(values["backend"])
    return JobOptions(**values)


__all__ = [
    "Duration",
    "Options",
    "Session",
    "background",
    "current_session",
    "options",
    "serve",
    "submit",
]
