"""One experiment in its database: each method is one transaction."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update

from caikit_nb.errors import NoJobError, ResourceMissingError, UnsafeUpdateError
from caikit_nb.experiments import rows
from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.engine import Database
from caikit_nb.experiments.heartbeat import Heartbeat
from caikit_nb.experiments.job import Job, parse_etag
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.rows import Draft, Lease, Record
from caikit_nb.experiments.schema import experiments, jobs, steps
from caikit_nb.experiments.statuses import DONE, QUEUED, RUNNING

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment

_PAGE = 500


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """How workers keep their jobs.

    Attributes:
        lease_s: How long a job stays with a worker that gives no sign of life; None for ever.
        max_deliveries: How often a job is given out before it counts as CRASHED.
    """

    lease_s: float | None
    max_deliveries: int


class Storage:
    """The rows of one experiment.

    Args:
        database: Where.
        key: The experiment's row.
        name: Its name, for errors.
        rules: How workers keep their jobs.
        heartbeat: Renews this process's leases; None if it takes none.
    """

    def __init__(
        self,
        database: Database,
        key: int,
        name: str,
        rules: LeaseRules,
        heartbeat: Heartbeat | None,
    ) -> None:
        self.database, self.key, self.name = database, key, name
        self._rules, self._heartbeat = rules, heartbeat

    def put(self, job: Job, draft: Draft, *, safe: bool) -> Record:
        """Write a job (see `Job.put`), and hold or release its lease."""
        version = parse_etag(job)
        with self.database.writing() as tx:
            now = self.database.now(tx)
            lease, record = self._lease(), None
            if version is not None or not safe:
                wanted = version if safe else None
                record = rows.update_job(tx, self.key, job.job_id, draft, lease, now, wanted)
            if record is None and (version is None or not safe):
                record = self._insert(tx, draft, now, job.job_id)
            if record is None:
                raise UnsafeUpdateError(job.job_id, self.name, self._deleted(tx, job.job_id))
        self.hold(record, job)
        return record

    def _deleted(self, tx: Connection, job_id: str) -> str:
        """Which is there no more, the job or its experiment; empty if both are."""
        if rows.read_job(tx, self.key, job_id) is not None:
            return ""
        mine = select(experiments.c.key).where(experiments.c.key == self.key)
        return "experiment" if tx.execute(mine).first() is None else "job"

    def add(self, draft: Draft) -> Record:
        """Add a job under a new id."""
        with self.database.writing() as tx:
            record = self._insert(tx, draft, self.database.now(tx), None)
        assert record is not None  # noqa: S101 - the id was free
        return record

    def _insert(
        self, tx: Connection, draft: Draft, now: float, job_id: str | None
    ) -> Record | None:
        self._lock(tx)  # it is there, and stays while the job is added
        return rows.insert_job(tx, self.key, draft, self._lease(), now, job_id)

    def claim(self, experiment: Experiment) -> Record:
        """Give out a job as RUNNING, to this process and to nobody else.

        Raises:
            NoJobError: there is none.
        """
        return self._next(experiment, RUNNING)

    def offer(self, experiment: Experiment) -> Record:
        """The job that is to run next, QUEUED: who wants it must claim it.

        Raises:
            NoJobError: there is none.
        """
        return self._next(experiment, QUEUED)

    def _next(self, experiment: Experiment, status: str) -> Record:
        with self.database.writing() as tx:
            locked = self._lock(tx)
            now = self.database.now(tx)
            rows.take_back_expired(tx, self.key, now, self._rules.max_deliveries)
            if locked.status == DONE:
                experiment.saw_status(DONE)
                record, why = None, "it is DONE"
            else:
                record, why = self._queued_or_new(tx, experiment, locked.proposed, now, status)
        if record is None:
            raise NoJobError(self.name, why)
        return record

    def _queued_or_new(
        self, tx: Connection, experiment: Experiment, proposed: int, now: float, status: str
    ) -> tuple[Record | None, str]:
        lease, queued = self._lease(), rows.first_queued(tx, self.key)
        if queued is not None:
            if status == QUEUED:
                return queued, ""
            draft = _with_status(queued.draft, status)
            version = queued.key, queued.version
            return rows.update_job(tx, self.key, queued.id, draft, lease, now, version), ""
        proposal: Proposal = experiment.propose(Standing(tx, self.key, proposed))
        if proposal.draft is None:
            if proposal.is_over:
                self._write(tx, {"status": DONE})
                experiment.saw_status(DONE)
            return None, proposal.why
        self._write(tx, {"proposed": proposed + 1})
        draft = _with_status(proposal.draft, status)
        return rows.insert_job(tx, self.key, draft, lease, now), ""

    def get(self, job_id: str) -> Record:
        """The job of that id.

        Raises:
            ResourceMissingError: there is none.
        """
        self._take_back_expired()
        with self.database.reading() as tx:
            record = rows.read_job(tx, self.key, job_id)
        if record is None:
            raise ResourceMissingError(f"experiment {self.name!r} has no job {job_id!r}")
        return record

    def page(self, after: int = 0, most: int = _PAGE) -> list[Record]:
        """As many jobs by age, those behind a row's key."""
        if not after:
            self._take_back_expired()
        with self.database.reading() as tx:
            return rows.read_page(tx, self.key, after, most)

    def all(self) -> Iterator[Record]:
        """Every job, oldest first, page by page; one that is added meanwhile may come, too."""
        after = 0
        while page := self.page(after):
            yield from page
            after = page[-1].key

    def counts(self) -> Mapping[str, int]:
        """How many jobs have each status."""
        self._take_back_expired()
        with self.database.reading() as tx:
            return rows.count_by_status(tx, self.key)

    def delete_job(self, job_id: str, *, ensure: bool) -> None:
        """Remove a job (see `Job.delete`)."""
        with self.database.writing() as tx:
            was_there = rows.delete_job(tx, self.key, job_id)
        if ensure and not was_there:
            raise ResourceMissingError(f"experiment {self.name!r} has no job {job_id!r}")

    def delete(self, *, ensure: bool) -> None:
        """Remove the experiment and its jobs."""
        with self.database.writing() as tx:
            gone = delete(experiments).where(experiments.c.key == self.key)
            was_there = tx.execute(gone).rowcount > 0
        if ensure and not was_there:
            raise self._missing()

    def write(self, values: Mapping[str, Any]) -> None:
        """Write some columns of the experiment.

        Raises:
            ResourceMissingError: it is no longer there.
        """
        with self.database.writing() as tx:
            self._write(tx, values)

    def _write(self, tx: Connection, values: Mapping[str, Any]) -> None:
        mine = update(experiments).where(experiments.c.key == self.key)
        if tx.execute(mine.values(dict(values))).rowcount == 0:
            raise self._missing()

    def status(self) -> str:
        """The experiment's status.

        Raises:
            ResourceMissingError: it is no longer there.
        """
        with self.database.reading() as tx:
            found = tx.scalar(select(experiments.c.status).where(experiments.c.key == self.key))
        if found is None:
            raise self._missing()
        return str(found)

    def fingerprint(self) -> tuple[object, ...]:
        """What is different whenever the experiment's status or any of its jobs is."""
        mine = jobs.c.experiment == self.key
        seen = select(func.count(), func.sum(jobs.c.version), func.max(jobs.c.key)).where(mine)
        with self.database.reading() as tx:
            status = tx.scalar(select(experiments.c.status).where(experiments.c.key == self.key))
            return (status, *tx.execute(seen).one())

    def report(self, job_id: str, value: float, step: int) -> None:
        """Store how a job stands at a step; the last word on a step holds."""
        stored = None if math.isnan(value) else value
        with self.database.writing() as tx:
            mine = (jobs.c.experiment == self.key) & (jobs.c.id == job_id)
            key = tx.scalar(select(jobs.c.key).where(mine))
            if key is None:
                raise ResourceMissingError(f"experiment {self.name!r} has no job {job_id!r}")
            tx.execute(delete(steps).where((steps.c.job == key) & (steps.c.step == step)))
            tx.execute(insert(steps).values(job=key, step=step, value=stored))

    def reports(self) -> dict[int, dict[int, float]]:
        """What was reported: for each job's key its values by step."""
        reported: dict[int, dict[int, float]] = {}
        with self.database.reading() as tx:
            mine = select(steps).join(jobs, steps.c.job == jobs.c.key)
            found = tx.execute(mine.where(jobs.c.experiment == self.key).order_by(steps.c.step))
            for row in found:
                value = math.nan if row.value is None else row.value
                reported.setdefault(row.job, {})[row.step] = value
        return reported

    def add_to_origin(self, job_id: str, origin: Mapping[str, JSON]) -> None:
        """Keep more of how a search came to a job. Who has read the job may still put it."""
        with self.database.writing() as tx:
            rows.add_to_origin(tx, self.key, job_id, origin)

    def hold(self, record: Record, holder: Job) -> None:
        """Beat for a job while it runs here; no more once it doesn't."""
        if self._heartbeat is None:
            return
        if record.status == RUNNING:
            self._heartbeat.hold(record.key, record.version, holder)
        else:
            self._heartbeat.release(record.key)

    def _take_back_expired(self) -> None:
        with self.database.reading() as tx:
            if not rows.has_expired(tx, self.key, self.database.now(tx)):
                return
        with self.database.writing() as tx:
            self._lock(tx)
            now = self.database.now(tx)
            rows.take_back_expired(tx, self.key, now, self._rules.max_deliveries)

    def _lock(self, tx: Connection) -> Any:
        """Let nobody else give out or add jobs until the transaction ends."""
        mine = select(experiments).where(experiments.c.key == self.key)
        row = tx.execute(mine.with_for_update()).first()
        if row is None:
            raise self._missing()
        return row

    def _lease(self) -> Lease:
        return Lease(f"{socket.gethostname()}, process {os.getpid()}", self._rules.lease_s)

    def _missing(self) -> ResourceMissingError:
        return ResourceMissingError(
            f"there is no experiment {self.name!r} any more: it was deleted"
        )


def _with_status(draft: Draft, status: str) -> Draft:
    return Draft(
        status, draft.hyperparameters, draft.results, draft.reason, draft.source, draft.origin
    )
