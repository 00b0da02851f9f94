"""An experiment: a source of jobs with hyperparameters and results."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from caikit_nb.errors import NoJobError, NotInDatabaseError
from caikit_nb.experiments import results, running
from caikit_nb.experiments.encoding import JSON, plain_values, to_json
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.names import check_name
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.rows import Draft
from caikit_nb.experiments.statuses import (
    DONE,
    EXPERIMENT_STATUSES,
    JOB_STATUSES,
    QUEUED,
    RUNNING,
    check_status,
)
from caikit_nb.experiments.storage import Storage

if TYPE_CHECKING:
    from caikit_nb.experiments.running import ExperimentRun

_LONGEST_WAIT_S = 1.0


class Experiment:
    """The root of the searches. It is used once a database has it (`ExperimentDB`).

    Args:
        name: What it is known by.
        status: RUNNING, or DONE: completed or paused, and no jobs are given out.

    Raises:
        ValueError: the name or the status isn't one.
    """

    RUNNING, DONE = RUNNING, DONE

    SEARCH: ClassVar[str]
    """What the search is called where it is stored."""

    def __init__(self, name: str, status: str = RUNNING) -> None:
        self._name = check_name(name)
        self.status = check_status(status, EXPERIMENT_STATUSES)
        self._db: Storage | None = None
        self._stored: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.status}>"

    @property
    def name(self) -> str:
        """What it is known by. It can be set until a database has it.

        Raises:
            AttributeError: a database has it.
        """
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if self._db is not None and name != self._name:
            raise AttributeError(
                f"experiment {self._name!r} can't be renamed: cells, jobs and other processes know "
                "it by its name"
            )
        self._name = check_name(name)

    def params(self) -> JSON:
        """What the search is made of, as JSON (contracts S15 to S18)."""
        raise NotImplementedError

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """The experiment of these `params`.

        Raises:
            ValueError: they are not of this search.
        """
        raise NotImplementedError

    def check_here(self) -> None:
        """See that it can make jobs on this machine; what is only looked at here needn't.

        Raises:
            ValueError: it can't; says what is missing or doesn't fit.
        """

    def propose(self, standing: Standing) -> Proposal:
        """Another job, when none is queued."""
        return Proposal()

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See that a job may be added by hand.

        Raises:
            ValueError: its hyperparameters are not those of this search.
        """

    def should_prune(self, job: Job) -> bool:
        """Whether a job that has reported is not worth its time."""
        return False

    def goals(self) -> Mapping[str, str]:
        """The results that its search goes by, and whether ``min`` or ``max`` is best."""
        return {}

    def limits(self) -> Mapping[str, float]:
        """What some results may be at most."""
        return {}

    def objective_of(self, result_name: str | None) -> tuple[str | None, str | None]:
        """A result and whether ``min`` or ``max`` is best, as far as it is known.

        Args:
            result_name: Which result; the first that the search goes by if None.
        """
        goals = self.goals()
        if result_name is None:
            return next(iter(goals.items()), (None, None))
        return result_name, goals.get(result_name)

    @property
    def _storage(self) -> Storage:
        if self._db is None:
            raise NotInDatabaseError(
                f"experiment {self.name!r} is in no database: ExperimentDB().add_experiment(it)"
            )
        return self._db

    @property
    def database_url(self) -> str:
        """The address of its database, with its password."""
        return self._storage.database.url.render_as_string(hide_password=False)

    def columns(self) -> dict[str, Any]:
        """Its row as it is to be."""
        return {"status": self.status, "search": self.SEARCH, "params": to_json(self.params())}

    def add_job(
        self,
        hyperparameters: Mapping[str, JSON] | None = None,
        status: str = QUEUED,
        results: Mapping[str, JSON] | None = None,
        *,
        source: str = "",
        reason: str = "",
    ) -> Job:
        """Store a job (contracts S11).

        Args:
            hyperparameters: By name.
            status: Also one that has ended.
            results: By name.
            source: The source of its cell.
            reason: Why it ended as it did.

        Raises:
            UnstorableValueError: a value isn't JSON; names its key.
            ValueError: the status isn't one, or the hyperparameters are not those of the search.
        """
        draft = Draft(
            check_status(status, JOB_STATUSES),
            plain_values(hyperparameters or {}, "hyperparameters"),
            plain_values(results or {}, "results"),
            reason,
            source,
        )
        self.check_hyperparameters(draft.hyperparameters)
        record = self._storage.add(draft)
        job = Job.of_record(self, record)
        self._storage.hold(record, job)
        return job

    def next_job(self, wait_s: float = 0.0) -> Job:
        """Claim a job: it is RUNNING, and this process's alone (contracts S12).

        Args:
            wait_s: How long to wait for one while others run: a running job may come back when
                its worker dies, or be what the search waits for.

        Raises:
            NoJobError: there is none.
        """
        give_up, pause_s = time.monotonic() + wait_s, 0.02
        while True:
            try:
                record = self._storage.claim(self)
            except NoJobError:
                if time.monotonic() >= give_up or not self.counts().get(RUNNING):
                    raise
                time.sleep(min(pause_s, max(0.0, give_up - time.monotonic())))
                pause_s = min(2 * pause_s, _LONGEST_WAIT_S)
                continue
            job = Job.of_record(self, record)
            self._storage.hold(record, job)
            return job

    def offer_job(self) -> Job:
        """The job that is to run next, for somebody who claims it by a safe put.

        Raises:
            NoJobError: there is none.
        """
        return Job.of_record(self, self._storage.offer(self))

    def page_of_jobs(self, after: int, most: int) -> tuple[list[Job], int | None]:
        """Some jobs, oldest first, and where the next page begins; None behind the last one."""
        records = self._storage.page(after, most + 1)
        rest = records[most - 1].key if len(records) > most else None
        return [Job.of_record(self, record) for record in records[:most]], rest

    def get_job(self, job_id: str) -> Job:
        """The job of that id.

        Raises:
            ResourceMissingError: there is none.
        """
        return Job.of_record(self, self._storage.get(job_id))

    def all_jobs(self) -> Iterator[Job]:
        """Its jobs, oldest first; each can be put safely."""
        return (Job.of_record(self, record) for record in self._storage.all())

    def counts(self) -> Mapping[str, int]:
        """How many jobs have each status."""
        return self._storage.counts()

    def fingerprint(self) -> Hashable:
        """What is different whenever its status or any of its jobs is."""
        return self._storage.fingerprint()

    def push_updates(self) -> None:
        """Store what has been changed here of its status and its search.

        What was not changed here stays as others have stored it.

        Raises:
            ResourceMissingError: it is no longer in the database.
        """
        check_status(self.status, EXPERIMENT_STATUSES)
        columns = self.columns()
        changed = {k: v for k, v in columns.items() if self._stored.get(k) != v}
        if changed:
            self._storage.write(changed)
        self._stored = columns

    def refresh(self) -> None:
        """Read its status anew."""
        self.status = self._stored["status"] = self._storage.status()

    def saw_status(self, status: str) -> None:
        """Take over the status that is stored, unless it was changed here."""
        if self.status == self._stored.get("status"):
            self.status = status
        self._stored["status"] = status

    @property
    def is_done(self) -> bool:
        """Whether it is DONE as last read."""
        return self.status == DONE

    def delete(self, ensure: bool = True) -> None:
        """Remove it and its jobs from the database.

        Args:
            ensure: Whether it is an error that it isn't there.

        Raises:
            ResourceMissingError: it isn't.
        """
        self._storage.delete(ensure=ensure)

    def best(self, result_name: str | None = None, objective: str | None = None) -> Job:
        """The job that is DONE with the best result, and within the search's constraints.

        Args:
            result_name: Which result; the one that the search optimises if None.
            objective: ``min`` or ``max``; the search's own if None, else ``max``.

        Raises:
            LookupError: no job has that result.
            ValueError: the search has no result of its own, or several, or the objective isn't
                one.
        """
        return results.best(self, result_name, objective)

    def to_pandas(self) -> Any:
        """Its jobs as a pandas DataFrame: a row each, with hyperparameters and results."""
        return results.to_pandas(self)

    def run(
        self,
        train: Callable[..., Any],
        *,
        workers: int | None = None,
        jobs: int | None = None,
        **options: Any,
    ) -> ExperimentRun:
        """Run its jobs as background jobs of this session: ``train(**hyperparameters)``.

        Args:
            train: Returns the results, a mapping by name or one number.
            workers: How many at once, also more than the setting max_workers; as many as that
                if None.
            jobs: How many in all; without end if None.
            **options: See `caikit_nb.options`.
        """
        return running.run(self, train, workers, jobs, options)
