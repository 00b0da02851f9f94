"""Takes calls and makes jobs of them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from caikit_nb.backends.base import BackendBase
from caikit_nb.backends.started import StartedBackends
from caikit_nb.execution import interrupts, memory
from caikit_nb.execution.call import Runner, function_inputs
from caikit_nb.jobs.durations import parse_duration
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.kept_values import replay_inputs
from caikit_nb.jobs.local_job_base import LocalJobBase
from caikit_nb.jobs.options import DefaultPolicy, JobOptions, Policy
from caikit_nb.jobs.retention import Limits, drop_with
from caikit_nb.jobs.sizes import format_size, parse_size
from caikit_nb.jobs.start_method import check_start_method
from caikit_nb.jobs.states import JobStatus
from caikit_nb.jobs.submission import SessionHooks, Submission, Work, session_hooks
from caikit_nb.jobs.workshop import Workshop

CLOSED = "the session was closed"
_CLOSE_S = 2.0


class JobExecutor(LocalJobBase, concurrent.futures.Executor):
    """A ``concurrent.futures.Executor`` whose futures are jobs.

    Args:
        max_workers: How many jobs run at once; the cores that this process may use if None.
        start_method: ``auto``, ``fork``, ``forkserver``, ``spawn`` or ``thread``.
        backend: Where its jobs run unless their options say otherwise: a name, or a backend,
            which is known by its own name here; the policy's if None.
        policy: Settings that may change while it works, in the place of the first two above.
        initializer: Called before each call, in the job.
        initargs: Its arguments.

    A program that ends ends its jobs: leave the ``with`` block, or call `shutdown`, to wait for
    them. In a notebook, results are kept for their retention; in a program only as long as
    somebody holds their futures.

    Raises:
        ValueError: a wrong start method or number of workers, or an unknown backend.
    """

    _KEEPS_RECORDS = True  # they stay in the session's table

    def __init__(
        self,
        max_workers: int | None = None,
        start_method: str = "auto",
        *,
        backend: BackendBase | str | None = None,
        policy: Policy | None = None,
        hooks: SessionHooks | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be greater than 0, not {max_workers}")
        self._policy = policy or DefaultPolicy(start_method=check_start_method(start_method))
        if max_workers is not None:
            self._policy.max_workers = max_workers
        self._hooks = hooks or session_hooks()
        self._backends = StartedBackends(backend, lambda: self._policy.backend_config)
        self._initializer, self._initargs = initializer, initargs
        self._closed = False
        shop = Workshop(lambda: self._policy.max_workers, self._why_wait, self._limits)
        config = {"retention_duration": self._policy.retention_duration}
        super().__init__(config, "executor", workshop=shop)
        self.events, self.queue, self.retention = shop.events, shop.queue, shop.retention

    @property
    def workshop(self) -> Workshop:
        """Where its jobs are made."""
        return self._workshop

    @property
    def _max_workers(self) -> int:
        """Dask and others ask the executors of the standard library so."""
        return self._policy.max_workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Run ``fn(*args, **kwargs)`` as a job (see `submit_function` for what it raises)."""
        return self.submit_function(JobOptions(), fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **more: Any,
    ) -> Iterator[Any]:
        """See ``concurrent.futures.Executor``. Each call is a job, whatever `chunksize` is."""
        if chunksize < 1:
            raise ValueError(f"chunksize must be at least 1, not {chunksize}")
        return super().map(fn, *iterables, timeout=timeout, chunksize=chunksize, **more)

    def submit_function(
        self,
        options: JobOptions,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        before_first_start: Callable[[Job], None] = lambda _: None,
    ) -> JobFuture:
        """Run a function as a job (see `submit_work` for `before_first_start`).

        Raises:
            TypeError: `function` can't be called.
            ValueError: a wrong option.
            UnpicklableError: it can't be shipped to a fresh interpreter; says what stops it.
            ForkRefusedError: a fork was asked for where it isn't safe.
            BackendError: the backend can't be started, or takes no jobs.
            RuntimeError: the executor was shut down.
        """
        if not callable(function):
            raise TypeError(f"a job needs a function to call, not {type(function).__name__}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__name__} is a generator function, and a call of it runs nothing yet: "
                "submit a function that goes through what it yields"
            )
        if self._initializer is not None:
            args = (self._initializer, self._initargs, function, *args)
            function = _initialized
        inputs = function_inputs(function, args, kwargs)
        extra = self._hooks.function_options()
        work = Work(self._hooks.function_runner, lambda _: inputs, extra)
        return self.submit_work(work, options, before_first_start=before_first_start)

    def submit_work(
        self,
        work: Work,
        options: JobOptions,
        before_start: Callable[[Job], None] = lambda _: None,
        before_first_start: Callable[[Job], None] = lambda _: None,
    ) -> JobFuture:
        """Run some work as a job; raises like `submit_function`, and then nothing was started.

        Args:
            work: What to do.
            options: How.
            before_start: Called with the job before it can start, and with each replay of it.
            before_first_start: Likewise, but not with replays.
        """
        if self._closed:
            raise RuntimeError("cannot schedule new jobs after shutdown")
        backend = self._backend_for(options)
        submission = Submission(
            work, options, self._policy, self._hooks, self.registry.next_name, backend
        )
        job = self._workshop.make_job(submission.spec)
        if self._hooks.on_message is not None:
            job.on_message = self._hooks.on_message
        submission.keep_values(job.directory)
        tasks = submission.tasks()
        job.notes.extend(submission.notes)
        future = JobFuture(job)
        job.replay = _Replay(self, job, work.runner, work.options, _alone(options), before_start)

        def admit(job: Job) -> None:
            before_start(job)
            before_first_start(job)
            self._register(future)

        follows = [future._job for future in options.after]
        with interrupts.held():
            self._workshop.start(job, tasks, backend=backend, before_start=admit, after=follows)
        return future

    def _register(self, future: JobFuture) -> None:
        self.registry.add(future)
        if not self._hooks.keeps_results:
            future._job.on_gone.append(lambda _: self.registry.let_go(future))
            drop_with(future, future._job)

    def adopt(self, future: JobFuture) -> None:
        """Take in a job that somebody else has started in our `workshop`: it ends with us."""
        self.registry.add(future)

    def _backend_for(self, options: JobOptions) -> BackendBase:
        names = (options.backend, self._backends.default, self._policy.backend)
        return self._backends.get(next(name for name in names if name is not None))

    def _retain(self) -> timedelta | None:
        return parse_duration(self._policy.retention_duration)

    def _limits(self) -> Limits:
        most_bytes = self._policy.max_result_bytes
        return Limits(
            self._policy.max_results, None if most_bytes is None else parse_size(most_bytes)
        )

    def _why_wait(self) -> str | None:
        """Whether memory is too short for another job."""
        least = self._policy.min_free_memory
        free_bytes = None if least is None else memory.available_bytes()
        if free_bytes is None or free_bytes >= parse_size(least):
            return None
        return f"only {format_size(free_bytes)} of memory are free, and {least} must be"

    @property
    def directory(self) -> Path:
        """Where the session keeps its jobs' files."""
        return self._workshop.directory

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

    def close(self, why: str = CLOSED) -> None:
        """Cancel what has not ended, wait for that, stop the backends, delete the directory.

        Args:
            why: The reason that such a job tells.
        """
        self._closed = True
        futures = self.registry.all()
        for future in futures:
            future._job.cancel(why, at_once=True, with_session=True)
        for future in futures:
            future.wait(_CLOSE_S)
        self._backends.stop()
        self._workshop.close()


@dataclasses.dataclass(frozen=True, slots=True)
class _Replay:
    """Runs a job's work again with the inputs that it kept.

    It doesn't hold the work itself, or its inputs would stay as long as the job's record.
    """

    executor: JobExecutor
    job: Job
    runner: Runner
    plain: Mapping[str, Any]
    options: JobOptions
    before_start: Callable[[Job], None]

    def __call__(self) -> JobFuture:
        spec = self.job.spec
        inputs = replay_inputs(self.job.inputs, spec.name)
        work = Work(self.runner, lambda _: inputs, self.plain, spec.source, spec.outs)
        method = "spawn" if spec.start_method == "spawn" else "forkserver"
        options = dataclasses.replace(
            _without_experiment(self.options), name=None, start_method=method, seed=spec.seed
        )
        future = self.executor.submit_work(work, options, self.before_start)
        future._job.notes.append(f"it replays {spec.name}")
        return future


def _without_experiment(options: JobOptions) -> JobOptions:
    """The options of a job that is no trial; it goes on from what the trial went on from."""
    trial = None if options.trial is None else options.trial.for_replay()
    return dataclasses.replace(options, experiment="", trial=trial)


def _alone(options: JobOptions) -> JobOptions:
    """The options of a job that follows nobody."""
    return dataclasses.replace(options, after=()) if options.after else options


def _initialized(
    initializer: Callable[..., object],
    initargs: tuple[Any, ...],
    function: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Any:
    initializer(*initargs)
    return function(*args, **kwargs)
