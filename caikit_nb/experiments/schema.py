"""The tables, and the numbered steps from each of their versions to the next."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite counts up a primary key only if it is an INTEGER.
_Key = BigInteger().with_variant(Integer(), "sqlite")

versions = Table("caikit_schema", metadata, Column("version", Integer, nullable=False))

experiments = Table(
    "caikit_experiments",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("search", String(64), nullable=False),
    Column("params", Text, nullable=False),
    # How many jobs its search has made.
    Column("proposed", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

jobs = Table(
    "caikit_experiment_jobs",
    metadata,
    # A key is never used again, so key and version together are an etag.
    Column("key", _Key, primary_key=True, autoincrement=True),
    Column(
        "experiment",
        _Key,
        ForeignKey("caikit_experiments.key", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("id", String(200), nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("status", String(16), nullable=False),
    Column("hyperparameters", Text, nullable=False),
    Column("results", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("source", Text, nullable=False, default=""),
    Column("origin", Text, nullable=False, default="{}"),
    Column("deliveries", Integer, nullable=False, default=0),
    Column("worker", String(200), nullable=False, default=""),
    Column("lease_until", Float),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    UniqueConstraint("experiment", "id"),
    Index("caikit_jobs_in_order", "experiment", "status", "key"),
    Index("caikit_jobs_leased", "experiment", "lease_until"),
    sqlite_autoincrement=True,
)

steps = Table(
    "caikit_experiment_steps",
    metadata,
    Column(
        "job",
        _Key,
        ForeignKey("caikit_experiment_jobs.key", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float),
)

tokens = Table(
    "caikit_tokens",
    metadata,
    Column("email", String(200), primary_key=True),
    Column("hash", String(64), nullable=False),
)


def _create(connection: Connection) -> None:
    """Version 1: all tables. A later step spells out its own statements."""
    metadata.create_all(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create,)
"""The step to version n is at n - 1. What was released is never changed, only added to."""

VERSION = len(MIGRATIONS)
