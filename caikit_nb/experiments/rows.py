"""Jobs as rows: every statement on them, each within a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, update

from caikit_nb.errors import DatabaseError
from caikit_nb.experiments.encoding import JSON, from_json, storable_text, to_json
from caikit_nb.experiments.names import new_job_id
from caikit_nb.experiments.schema import jobs
from caikit_nb.experiments.statuses import CRASHED, QUEUED, RUNNING, TERMINAL_STATUSES


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody writes of a job. The values are plain (`encoding.plain_values`).

    Attributes:
        status: Its status.
        hyperparameters: By name.
        results: By name.
        reason: Why it ended as it did, in one line.
        source: The source of its cell; empty if it has none.
        origin: How a search came to it.
    """

    status: str = QUEUED
    hyperparameters: Mapping[str, JSON] = field(default_factory=dict)
    results: Mapping[str, JSON] = field(default_factory=dict)
    reason: str = ""
    source: str = ""
    origin: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a running job.

    Attributes:
        worker: Who has it.
        lease_s: For how long without a heartbeat; None without end.
    """

    worker: str = ""
    lease_s: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A job as it is stored.

    Attributes:
        key: Its row.
        id: Its id.
        version: How often it was written.
        draft: What was written.
        deliveries: How often it was given to a worker.
        worker: Who has it, or had it last.
        created_at: Seconds since the epoch.
        started_at: When it was last begun; None before.
        ended_at: None before.
    """

    key: int
    id: str
    version: int
    draft: Draft
    deliveries: int
    worker: str
    created_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def etag(self) -> str:
        """The same only as long as nobody has written the job."""
        return f"{self.key}-{self.version}"

    @property
    def status(self) -> str:
        """The status."""
        return self.draft.status


def insert_job(
    tx: Connection,
    experiment: int,
    draft: Draft,
    lease: Lease,
    now: float,
    job_id: str | None = None,
) -> Record | None:
    """Add a job to an experiment that is locked; None if one of that id is there.

    Args:
        tx: The transaction.
        experiment: The key of its experiment.
        draft: What it is.
        lease: Whose it is if it is RUNNING.
        now: The time.
        job_id: Its id; a free one if None.
    """
    job_id = job_id or _free_id(tx, experiment)
    if _is_there(tx, experiment, job_id):
        return None
    values = _values(draft, lease, now) | {
        "experiment": experiment,
        "id": job_id,
        "version": 1,
        "origin": to_json(draft.origin),
        "created_at": now,
        "started_at": None if draft.status == QUEUED else now,
        "ended_at": now if draft.status in TERMINAL_STATUSES else None,
        "deliveries": int(draft.status == RUNNING),
    }
    tx.execute(insert(jobs).values(values))
    return read_job(tx, experiment, job_id)


def _free_id(tx: Connection, experiment: int) -> str:
    while _is_there(tx, experiment, job_id := new_job_id()):
        pass
    return job_id


def _is_there(tx: Connection, experiment: int, job_id: str) -> bool:
    mine = (jobs.c.experiment == experiment) & (jobs.c.id == job_id)
    return tx.execute(select(jobs.c.key).where(mine)).first() is not None


def update_job(
    tx: Connection,
    experiment: int,
    job_id: str,
    draft: Draft,
    lease: Lease,
    now: float,
    version: tuple[int, int] | None = None,
) -> Record | None:
    """Write a job, in one statement; None if there is none of that id and version.

    Args:
        tx: The transaction.
        experiment: The key of its experiment.
        job_id: Its id.
        draft: What is written; its origin stays what it was.
        lease: Whose it is if it is RUNNING.
        now: The time.
        version: Key and version that it must have; None for any.
    """
    mine = (jobs.c.experiment == experiment) & (jobs.c.id == job_id)
    if version is not None:
        mine &= (jobs.c.key == version[0]) & (jobs.c.version == version[1])
    return _write(tx, mine, draft, lease, now, (experiment, job_id))


def _write(
    tx: Connection,
    which: ColumnElement[bool],
    draft: Draft,
    lease: Lease,
    now: float,
    place: tuple[int, str],
) -> Record | None:
    values: dict[str, Any] = _values(draft, lease, now) | {"version": jobs.c.version + 1}
    if draft.status == RUNNING:
        begins = jobs.c.status != RUNNING
        values["started_at"] = case((begins, now), else_=jobs.c.started_at)
        values["deliveries"] = jobs.c.deliveries + case((begins, 1), else_=0)
        values["ended_at"] = None
    elif draft.status in TERMINAL_STATUSES:
        has_ended = jobs.c.status.in_(TERMINAL_STATUSES)
        values["ended_at"] = case((has_ended, jobs.c.ended_at), else_=now)
    else:
        values["ended_at"] = None
    if tx.execute(update(jobs).where(which).values(values)).rowcount == 0:
        return None
    return read_job(tx, *place)


def _values(draft: Draft, lease: Lease, now: float) -> dict[str, Any]:
    runs = draft.status == RUNNING
    values = {
        "status": draft.status,
        "hyperparameters": to_json(draft.hyperparameters),
        "results": to_json(draft.results),
        "reason": storable_text(draft.reason),
        "source": storable_text(draft.source),
        "lease_until": now + lease.lease_s if runs and lease.lease_s is not None else None,
    }
    return values | {"worker": lease.worker} if runs else values


def add_to_origin(tx: Connection, experiment: int, job_id: str, origin: Mapping[str, JSON]) -> None:
    """Add to a job's origin; its version stays, as nobody else writes that."""
    mine = (jobs.c.experiment == experiment) & (jobs.c.id == job_id)
    record = read_job(tx, experiment, job_id)
    if record is not None:
        merged = to_json({**record.draft.origin, **origin})
        tx.execute(update(jobs).where(mine).values(origin=merged))


def beat(tx: Connection, key: int, version: int, until: float) -> bool:
    """Prolong a lease; False if the job is no longer the one that was claimed."""
    held = (jobs.c.key == key) & (jobs.c.version == version) & (jobs.c.status == RUNNING)
    return tx.execute(update(jobs).where(held).values(lease_until=until)).rowcount == 1


def read_job(tx: Connection, experiment: int, job_id: str) -> Record | None:
    """The job of that id."""
    mine = (jobs.c.experiment == experiment) & (jobs.c.id == job_id)
    row = tx.execute(select(jobs).where(mine)).first()
    return None if row is None else _record(row)


def read_page(tx: Connection, experiment: int, after: int, most: int) -> list[Record]:
    """Jobs by age, those behind a row; as many as asked for."""
    behind = (jobs.c.experiment == experiment) & (jobs.c.key > after)
    rows = tx.execute(select(jobs).where(behind).order_by(jobs.c.key).limit(most))
    return [_record(row) for row in rows]


def read_all(tx: Connection, experiment: int) -> Iterator[Record]:
    """Every job by age."""
    mine = jobs.c.experiment == experiment
    for row in tx.execute(select(jobs).where(mine).order_by(jobs.c.key)):
        yield _record(row)


def read_hyperparameters(
    tx: Connection, experiment: int, after: int
) -> Iterator[tuple[int, Mapping[str, JSON]]]:
    """The row and the hyperparameters of each job behind a row, by age."""
    behind = (jobs.c.experiment == experiment) & (jobs.c.key > after)
    wanted = select(jobs.c.key, jobs.c.id, jobs.c.hyperparameters)
    for row in tx.execute(wanted.where(behind).order_by(jobs.c.key)):
        yield row.key, _parsed(row.hyperparameters, row.id)


def count_until(tx: Connection, experiment: int, last: int) -> int:
    """How many jobs there are up to a row."""
    until = (jobs.c.experiment == experiment) & (jobs.c.key <= last)
    return tx.scalar(select(func.count()).select_from(jobs).where(until)) or 0


def first_queued(tx: Connection, experiment: int) -> Record | None:
    """The oldest job that waits."""
    queued = (jobs.c.experiment == experiment) & (jobs.c.status == QUEUED)
    row = tx.execute(select(jobs).where(queued).order_by(jobs.c.key).limit(1)).first()
    return None if row is None else _record(row)


def count_by_status(tx: Connection, experiment: int) -> dict[str, int]:
    """How many jobs have each status."""
    counted = select(jobs.c.status, func.count()).where(jobs.c.experiment == experiment)
    found = tx.execute(counted.group_by(jobs.c.status))
    return {row[0]: row[1] for row in found}


def delete_job(tx: Connection, experiment: int, job_id: str) -> bool:
    """Remove a job; False if there is none of that id."""
    mine = (jobs.c.experiment == experiment) & (jobs.c.id == job_id)
    return tx.execute(delete(jobs).where(mine)).rowcount > 0


def has_expired(tx: Connection, experiment: int, now: float) -> bool:
    """Whether a worker has let its lease run out."""
    late = (jobs.c.experiment == experiment) & (jobs.c.lease_until < now)
    return tx.execute(select(jobs.c.key).where(late).limit(1)).first() is not None


def take_back_expired(tx: Connection, experiment: int, now: float, most_deliveries: int) -> None:
    """Queue the jobs whose workers are gone; what was lost so often before has CRASHED."""
    late = (jobs.c.experiment == experiment) & (jobs.c.lease_until < now)
    gives_up = jobs.c.deliveries >= most_deliveries
    for row in tx.execute(select(jobs, gives_up.label("gives_up")).where(late)).all():
        reason = f"its worker ({row.worker}) gave no sign of life; delivery {row.deliveries}"
        values: dict[str, Any] = {"status": QUEUED, "reason": f"{reason} of {most_deliveries}"}
        if row.gives_up:
            values |= {"status": CRASHED, "ended_at": now}
        held = (jobs.c.key == row.key) & (jobs.c.version == row.version)
        values |= {"version": row.version + 1, "lease_until": None}
        tx.execute(update(jobs).where(held & (jobs.c.lease_until < now)).values(values))


def _record(row: Row[Any]) -> Record:
    hyperparameters, results, origin = (
        _parsed(text, row.id) for text in (row.hyperparameters, row.results, row.origin)
    )
    draft = Draft(row.status, hyperparameters, results, row.reason, row.source, origin)
    return Record(
        row.key,
        row.id,
        row.version,
        draft,
        row.deliveries,
        row.worker,
        row.created_at,
        row.started_at,
        row.ended_at,
    )


def _parsed(text: str, job_id: str) -> JSON:
    try:
        return from_json(text)
    except ValueError as error:
        raise DatabaseError(f"what is stored of job {job_id!r} is damaged: {error}") from error
