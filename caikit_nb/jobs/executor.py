"""Takes calls and makes jobs of them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caikit_nb.backends.base import Task
from caikit_nb.backends.local_backend import LocalBackend
from caikit_nb.execution import guard
from caikit_nb.execution.call import Call, Runner, function_inputs
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.guardian import guardian
from caikit_nb.execution.limits import Grace
from caikit_nb.jobs import inside, paths, retention
from caikit_nb.jobs.durations import parse_duration
from caikit_nb.jobs.events import Events
from caikit_nb.jobs.inside import CurrentJob
from caikit_nb.jobs.job import Job, JobSpec
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import SESSION_DEFAULT, DefaultPolicy, JobOptions, Policy
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.registry import JobRegistry
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.jobs.start_method import Choice, check_start_method, choose_start_method
from caikit_nb.jobs.states import JobStatus

_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is to do.

    Attributes:
        runner: Runs it in the job.
        inputs: The values that it needs; asked for once the start method is known.
        options: Plain data for the runner.
        source: Its source, if it is a cell or an expression.
        outs: The variables it brings back.
    """

    runner: Runner
    inputs: Callable[[Choice], Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    outs: tuple[str, ...] = ()


@dataclass(slots=True)
class SessionHooks:
    """What a session adds to every job."""

    function_runner: Runner = inside.run_function
    function_options: Callable[[], Mapping[str, Any]] = dict
    before_fork: Callable[[], None] = lambda: None
    closed_fds: Callable[[], tuple[int, ...]] = lambda: ()


class JobExecutor(concurrent.futures.Executor):
    """A ``concurrent.futures.Executor`` whose futures are jobs.

    Args:
        max_workers: How many jobs run at once; the cores that this process may use if None.
        start_method: ``auto``, ``fork``, ``forkserver``, ``spawn`` or ``thread``.
        policy: Settings that may change while it works, in the place of the two above.

    Raises:
        ValueError: a wrong start method or number of workers.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        start_method: str = "auto",
        *,
        policy: Policy | None = None,
        hooks: SessionHooks | None = None,
    ) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1, not {max_workers}")
        self._policy = policy or DefaultPolicy(start_method=check_start_method(start_method))
        if max_workers is not None:
            self._policy.max_workers = max_workers
        self._hooks = hooks or SessionHooks()
        self.registry, self.events = JobRegistry(), Events()
        self.queue = JobQueue(lambda: self._policy.max_workers)
        self._backend = LocalBackend()
        self._directory: Path | None = None
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Run ``fn(*args, **kwargs)`` as a job (see `submit_function` for what it raises)."""
        return self.submit_function(JobOptions(), fn, args, kwargs)

    def submit_function(
        self,
        options: JobOptions,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> JobFuture:
        """Run a function as a job.

        Raises:
            TypeError: `function` can't be called.
            ValueError: a wrong option.
            UnpicklableError: it can't be shipped to a fresh interpreter; says what stops it.
            ForkRefusedError: a fork was asked for where it isn't safe.
            RuntimeError: the executor was shut down.
        """
        if not callable(function):
            raise TypeError(f"a job needs a function to call, not {type(function).__name__}")
        inputs = function_inputs(function, args, kwargs)
        extra = self._hooks.function_options()
        work = Work(self._hooks.function_runner, lambda _: inputs, extra)
        return self.submit_work(work, options)

    def submit_work(
        self,
        work: Work,
        options: JobOptions,
        before_start: Callable[[Job], None] = lambda _: None,
    ) -> JobFuture:
        """Run some work as a job; raises like `submit_function`, and then nothing was started.

        Args:
            work: What to do.
            options: How.
            before_start: Called with the job before it can start.
        """
        if self._closed:
            raise RuntimeError("cannot schedule new jobs after shutdown")
        spec, choice = self._spec(work, options)
        task = self._task(work, spec, choice)
        job = Job(spec, paths.make_job_directory(self.directory, spec.id), self.events)
        future = JobFuture(job)
        retention.keep(job)
        try:
            job.running = self._backend.submit(task, job)
        except BaseException:
            job.expire("it could not be submitted")
            raise
        sealed = getattr(job.running, "sealed", None)
        if sealed is not None:
            job.spec = dataclasses.replace(spec, shipped=sealed.sizes)
        before_start(job)
        self.registry.add(future)
        self.queue.put(job)
        self.events.publish(job)
        return future

    @property
    def directory(self) -> Path:
        """Where the session keeps its jobs' files."""
        if self._directory is None:
            self._directory = paths.make_session_directory()
            guardian.remove_at_end(str(self._directory))
        return self._directory

    def _spec(self, work: Work, options: JobOptions) -> tuple[JobSpec, Choice]:
        policy = self._policy
        unset = options.retain is SESSION_DEFAULT
        retain = parse_duration(policy.retention_duration if unset else options.retain)
        timeout = parse_duration(options.timeout)
        limit = policy.memory_limit if options.memory_limit is None else options.memory_limit
        choice = choose_start_method(
            options.start_method or policy.start_method,
            allow_unsafe_fork=policy.allow_unsafe_fork,
        )
        spec = JobSpec(
            id=uuid.uuid4().hex[:12],
            name=options.name or self.registry.next_name(),
            start_method=choice.method,
            reason=choice.reason,
            source=work.source,
            params=dict(options.params),
            outs=work.outs,
            retention_s=None if retain is None else retain.total_seconds(),
            timeout_s=None if timeout is None else timeout.total_seconds(),
            memory_limit_bytes=None if limit is None else parse_size(limit),
        )
        return spec, choice

    def _call(self, work: Work, spec: JobSpec, choice: Choice) -> Call:
        current = CurrentJob(spec.id, spec.name, spec.params)
        own = {"job": current, "own_process": choice.method != "thread"}
        if choice.method == "fork":
            self._hooks.before_fork()
        return Call(work.runner, work.inputs(choice), {**work.options, **own})

    def _task(self, work: Work, spec: JobSpec, choice: Choice) -> Task:
        kill_after_s = self._policy.cancel_grace_s
        return Task(
            spec.name,
            self._call(work, spec, choice),
            choice.method,
            self._surroundings(spec, choice),
            Grace(kill_after_s / 2, kill_after_s),
            fresh=lambda: self._task(work, spec, Choice("forkserver", "")),
        )

    def _surroundings(self, spec: JobSpec, choice: Choice) -> Surroundings:
        if choice.method == "fork":
            return Surroundings(
                closed_fds=self._hooks.closed_fds(),
                memory_limit_bytes=spec.memory_limit_bytes,
                single_openmp_thread=choice.single_openmp_thread,
            )
        return Surroundings(
            directory=str(Path.cwd()),
            environment=dict(os.environ),
            module_path=tuple(sys.path),
            fresh_main=True,
            memory_limit_bytes=spec.memory_limit_bytes,
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs.

        Args:
            wait: Return when the jobs have ended.
            cancel_futures: Cancel those that wait in the queue.
        """
        self._closed = True
        futures = self.registry.all()
        if cancel_futures:
            for future in futures:
                if future.status is JobStatus.QUEUED:
                    future.cancel()
        if wait:
            for future in futures:
                future.wait()

    def close(self) -> None:
        """Cancel what has not ended, wait for that, and delete the session's directory."""
        self._closed = True
        futures = self.registry.all()
        for future in futures:
            future._job.cancel("the session was closed", at_once=True)
        for future in futures:
            future.wait(_CLOSE_S)
        if self._directory is not None:
            guard.remove_marked_directory(str(self._directory))
