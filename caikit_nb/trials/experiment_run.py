"""Keeps some workers busy with an experiment's jobs."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import re
import threading
from collections.abc import Callable
from typing import Any

from caikit_nb.errors import NoJobError
from caikit_nb.execution.pickler import dumps
from caikit_nb.execution.watcher import stillness
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job as Row
from caikit_nb.experiments.statuses import QUEUED
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.trials.recorder import record
from caikit_nb.trials.stored_trial import StoredTrial

logger = logging.getLogger(__name__)

_RESULT = "result"
_LOOK_AGAIN_S = 1.0


class FrozenFunction:
    """A function as it was when the run began; each job has a copy of it.

    Args:
        function: It, or an object that can be called.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._pickled = dumps(function)

    def __call__(self, **hyperparameters: Any) -> Any:
        """Call it."""
        return pickle.loads(self._pickled)(**hyperparameters)  # noqa: S301 - pickled above


class BackgroundRun:
    """An experiment whose jobs are being run; made by `Experiment.run`.

    Attributes:
        experiment: The experiment.
        futures: The jobs that were begun, oldest first.
        on_end: Called when it has ended, before those are told who `wait` for it.
        error: What ended it before its time; None if nothing did.
    """

    def __init__(
        self,
        executor: JobExecutor,
        experiment: Experiment,
        train: Callable[..., Any],
        workers: int | None,
        jobs: int | None,
        options: JobOptions,
    ) -> None:
        for name, value in (("workers", workers), ("jobs", jobs)):
            if value is not None and (isinstance(value, bool) or value < 1):
                raise ValueError(f"{name} must be a whole number from 1, or None, not {value!r}")
        if not callable(train):
            raise TypeError(f"run needs a function to call, not {type(train).__name__}")
        if options.backend == "inline":
            raise ValueError("run works in the background, and the backend inline doesn't")
        self.experiment, self._executor = experiment, executor
        self._train, self._options = FrozenFunction(train), options
        self._workers, self._most = workers, jobs
        self._job_name = re.sub(r"\W", "_", experiment.name)[:40]
        self.futures: list[JobFuture] = []
        self.on_end: list[Callable[[], object]] = []
        self.error: BaseException | None = None
        self._busy, self._news = 0, threading.Condition()
        self._cancelled, self._ended = False, threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"caikit_nb experiment {experiment.name}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "ended" if self._ended.is_set() else "running"
        return f"<run of experiment {self.experiment.name!r}: {state}, {len(self.futures)} jobs>"

    @property
    def is_running(self) -> bool:
        """Whether jobs run, or more may come."""
        return not self._ended.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs and none is to come.

        Args:
            timeout: Seconds to wait; None without end.

        Returns:
            True once it has ended, False if the time was over first.

        Raises:
            BaseException: what has ended it before its time.
        """
        ended = self._ended.wait(timeout)
        if ended and self.error is not None:
            raise self.error
        return ended

    def cancel(self) -> None:
        """Take no more jobs, and cancel those that run; returns at once."""
        with self._news:
            self._cancelled = True
            self._news.notify_all()
        for future in list(self.futures):
            future.cancel()

    def _run(self) -> None:
        with self._executor.queue.at_least(self._workers or 1):
            self._keep_workers_busy()
        self._tell_end()
        self._ended.set()

    def _keep_workers_busy(self) -> None:
        try:
            while self._wait_for_a_worker() and self._start_one():
                pass
        except Exception as error:  # noqa: BLE001 - whoever waits for it is told
            self.error = error
        with self._news:
            while self._busy:
                self._news.wait()

    def _tell_end(self) -> None:
        for listener in self.on_end:
            try:
                listener()
            except Exception:
                logger.exception("a listener failed for %r", self)

    def _wait_for_a_worker(self) -> bool:
        """Wait until another job may begin; False if none may any more."""
        with self._news:
            while not self._cancelled and self._busy >= self._most_at_once():
                self._news.wait(_LOOK_AGAIN_S)
        is_enough = self._most is not None and len(self.futures) >= self._most
        return not self._cancelled and not is_enough

    def _most_at_once(self) -> int:
        return self._workers or self._executor._max_workers

    def _start_one(self) -> bool:
        """Begin a job; False if there will be none."""
        try:
            with stillness.working():
                row = self.experiment.next_job()
        except NoJobError:
            return self._wait_for_an_end()
        self._submit(row)
        return True

    def _wait_for_an_end(self) -> bool:
        """A search may have another job once one of ours has ended; False if none runs."""
        with self._news:
            before = self._busy
            while self._busy and self._busy >= before and not self._cancelled:
                self._news.wait(_LOOK_AGAIN_S)
        return before > 0

    def _submit(self, row: Row) -> None:
        with self._news:
            self._busy += 1
        options = dataclasses.replace(
            self._options,
            name=f"{self._job_name}_{len(self.futures) + 1}",
            params=row.hyperparameters,
            experiment=self.experiment.name,
            trial=StoredTrial.of(row),
        )
        try:
            with stillness.working():
                future = self._executor.submit_function(
                    options, self._train, (), row.hyperparameters, self._follow(row)
                )
        except BaseException:
            self._one_ended()
            row.status = QUEUED
            row.put()
            raise
        self.futures.append(future)
        if self._cancelled:  # meanwhile
            future.cancel()

    def _follow(self, row: Row) -> Callable[[Job], None]:
        name = self.experiment.objective_of(None)[0] or _RESULT
        return lambda job: record(job, row, result_name=name, gives_back=True, then=self._one_ended)

    def _one_ended(self) -> None:
        """A job's end is stored."""
        with self._news:
            self._busy -= 1
            self._news.notify_all()
