"""From a piece of work and its options to what a backend takes."""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caikit_nb.backends.base import BackendBase, Task
from caikit_nb.errors import BackendError
from caikit_nb.execution.call import Call, Runner
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.messages import Message
from caikit_nb.jobs import inside, seeds
from caikit_nb.jobs.durations import LONGEST, parse_duration
from caikit_nb.jobs.inside import CurrentJob
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.job_spec import JobSpec
from caikit_nb.jobs.kept_values import Keeping
from caikit_nb.jobs.options import (
    SESSION_DEFAULT,
    JobOptions,
    Policy,
    check_after,
    check_resources,
    check_retries,
)
from caikit_nb.jobs.save_paths import SavePlace, plan_save
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.jobs.start_method import Choice, choose_for_backend


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


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a fresh interpreter gets of the session.

    Attributes:
        options: Plain data for the runner.
        notes: What it can't get, for people.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class SessionHooks:
    """What a session adds to every job.

    Attributes:
        keeps_results: Whether results are kept for their retention, though nobody may hold their
            futures: whoever uses the session finds them by the jobs' names.
        show: Shows a job's card.
        submitted: Told of each job that a call of `caikit_nb.submit` or its like has made.
    """

    function_runner: Runner = inside.run_function
    function_options: Callable[[], Mapping[str, Any]] = dict
    fresh: Callable[[], Fresh] = Fresh
    before_fork: Callable[[], None] = lambda: None
    closed_fds: Callable[[], tuple[int, ...]] = lambda: ()
    on_message: Callable[[Job, Message], object] | None = None
    show: Callable[[JobFuture], object] = lambda _: None
    submitted: Callable[[JobFuture], object] = lambda _: None
    keeps_results: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """A job's id, and where it saves."""

    id: str
    place: SavePlace | None = None


def _identity(options: JobOptions) -> Identity:
    if options.save_with_id and options.save_path is None:
        raise ValueError("save_with_id needs a save_path, e.g. save_path='models'")
    job_id = uuid.uuid4().hex[:12]
    place = plan_save(options.save_path, job_id, save_with_id=options.save_with_id)
    return Identity(job_id, place)


_session_hooks = SessionHooks(keeps_results=False)  # those of a program without a session


def session_hooks() -> SessionHooks:
    """What this process's session adds: a copy of a kernel must not keep the kernel's sockets."""
    return _session_hooks


def set_session_hooks(hooks: SessionHooks) -> None:
    """Have executors of the user's own use these, too."""
    global _session_hooks
    _session_hooks = hooks


def _engine_options(options: JobOptions, backend: BackendBase) -> Mapping[str, Any]:
    """What the job asks of its engine, if that takes it."""
    asked = {"resources": check_resources(options.resources), "on": options.on}
    given = {name: value for name, value in asked.items() if value}
    for name in sorted(given.keys() - backend.option_names):
        kind = backend.backend_type.lower()
        raise ValueError(f"backend {kind!r} doesn't take --{name}: use it with one of a cluster")
    return given


_ordinals = itertools.count(1)


class Submission:
    """One piece of work on its way to become a job.

    Args:
        work: What to do.
        options: How.
        policy: The session's settings.
        hooks: What the session adds.
        next_name: Gives a name for a job without one.
        backend: Where it will run.
        identity: The id, and where it saves; made of the options if None.

    Raises:
        ValueError: a wrong option.
        ForkRefusedError: a fork was asked for where it isn't safe.
    """

    def __init__(
        self,
        work: Work,
        options: JobOptions,
        policy: Policy,
        hooks: SessionHooks,
        next_name: Callable[[], str],
        backend: BackendBase,
        identity: Identity | None = None,
    ) -> None:
        self._work, self._policy, self._hooks = work, policy, hooks
        check_after(options.after)
        self._backend = backend
        self._choice = choose_for_backend(
            backend,
            options.start_method,
            policy.start_method,
            allow_unsafe_fork=policy.allow_unsafe_fork,
        )
        self.keeping: Keeping | None = None
        self.notes: tuple[str, ...] = ()
        self._trial = options.trial
        self._engine_options = _engine_options(options, backend)
        self.spec = self._make_spec(options, next_name, identity or _identity(options))

    def _make_spec(
        self, options: JobOptions, next_name: Callable[[], str], identity: Identity
    ) -> JobSpec:
        policy, work = self._policy, self._work
        unset = options.retain is SESSION_DEFAULT
        retain = parse_duration(policy.retention_duration if unset else options.retain)
        timeout = parse_duration(options.timeout)
        limit = policy.memory_limit if options.memory_limit is None else options.memory_limit
        return JobSpec(
            id=identity.id,
            start_method=self._choice.method,
            reason=self._choice.reason,
            source=work.source,
            params=dict(options.params),
            outs=work.outs,
            retention_s=None if retain is None else retain.total_seconds(),
            timeout_s=None if timeout is None else timeout.total_seconds(),
            memory_limit_bytes=None if limit is None else parse_size(limit),
            backend=self._backend.backend_type.lower(),
            has_own_queue=self._backend.has_queue,
            retries=check_retries(options.retries),
            after=tuple(job.name for job in options.after),
            seed=seeds.seed_of(options.seed, next(_ordinals)),
            name=options.name or next_name(),
            save_path=None if identity.place is None else identity.place.path,
            id_directory=None if identity.place is None else identity.place.id_directory,
            experiment=options.experiment,
        )

    def keep_values(self, directory: Path) -> None:
        """Have the job keep there its inputs, for a replay, and what it makes.

        One in a thread shares the kernel's values.
        """
        if self._choice.method != "thread":
            self.keeping = Keeping(
                str(directory),
                parse_size(self._policy.max_replay_bytes),
                parse_size(self._policy.keep_made_bytes),
            )

    def tasks(self) -> Callable[[int], Task]:
        """Makes the task of an attempt, of inputs and settings that are looked up now."""
        if self._choice.method in ("fork", "thread"):
            inside.load_ahead()
        fresh = Fresh()
        if self._choice.method == "fork":
            self._hooks.before_fork()
        elif self._choice.method != "thread":
            fresh = self._hooks.fresh()
        self.notes = fresh.notes
        inputs = self._work.inputs(self._choice)
        return lambda attempt: self._task(attempt, self._choice, inputs, fresh)

    def _task(self, attempt: int, choice: Choice, inputs: Mapping[str, Any], fresh: Fresh) -> Task:
        kill_after_s = self._policy.cancel_grace_s
        return Task(
            self.spec.name,
            Call(
                self._work.runner,
                inputs,
                {**self._work.options, **fresh.options, **self._own(attempt, choice)},
            ),
            choice.method,
            self._surroundings(choice),
            Grace(kill_after_s / 2, kill_after_s),
            self._engine_options,
            fresh=lambda: self._fresh_task(attempt),
        )

    def _fresh_task(self, attempt: int) -> Task:
        choice = Choice("forkserver", "")
        return self._task(attempt, choice, self._work.inputs(choice), self._hooks.fresh())

    def _own(self, attempt: int, choice: Choice) -> Mapping[str, Any]:
        spec = self.spec
        return {
            "job": CurrentJob(
                spec.id,
                spec.name,
                spec.params,
                attempt,
                spec.seed,
                spec.save_path,
                self._trial,
            ),
            "own_process": choice.method != "thread",
            "seeded": seeds.loaded_libraries(),
            "keeping": self.keeping,
            "keeps_inputs": attempt == 1,
        }

    def _surroundings(self, choice: Choice) -> Surroundings:
        limit_bytes = self.spec.memory_limit_bytes
        exit_grace_s = (parse_duration(self._policy.exit_grace) or LONGEST).total_seconds()
        if choice.method == "fork":
            return Surroundings(
                exit_grace_s=exit_grace_s,
                closed_fds=self._hooks.closed_fds(),
                memory_limit_bytes=limit_bytes,
                single_openmp_thread=choice.single_openmp_thread,
            )
        return Surroundings(
            exit_grace_s=exit_grace_s,
            directory=_directory(),
            environment=dict(os.environ),
            module_path=tuple(sys.path),
            fresh_main=True,
            memory_limit_bytes=limit_bytes,
        )


def _directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        raise BackendError(
            "a fresh interpreter needs a working directory, and this one was deleted: "
            "change to another (%cd, os.chdir)"
        ) from None
