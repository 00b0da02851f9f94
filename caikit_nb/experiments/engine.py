"""A database as this package needs it: short transactions, and errors of one clear line."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs
import sqlalchemy
from sqlalchemy import Connection, event, func, insert, inspect, select, text, update
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from caikit_nb.errors import DatabaseError
from caikit_nb.experiments import schema

URL_VARIABLE = "CAIKIT_NB_EXPERIMENTS"
_BUSY_S = 60.0
_STEP_MS = 250
_PAUSE_S = 0.005
_MIGRATION_LOCK = 7_301_254_196
_WRITES = "caikit_writes"


def default_url() -> str:
    """The address in ``$CAIKIT_NB_EXPERIMENTS``, else a file in the user's data directory."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        return given
    directory = platformdirs.user_data_path("caikit_nb")
    return f"sqlite:///{directory / 'experiments.sqlite'}"


def parse_url(text: str) -> URL:
    """The address of a database.

    Raises:
        ValueError: it isn't one, or names no file.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            f"a database is given as sqlite:///FILE or postgresql://HOST/NAME, not {text!r}"
        ) from None
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("the processes of an experiment share a file: use sqlite:///FILE")
    if url.get_backend_name() == "sqlite" and not str(url.database).startswith("file:"):
        return url.set(database=str(Path(str(url.database)).expanduser().absolute()))
    return url


class Database:
    """Transactions on one database, opened and brought up to date with the first.

    Args:
        url: Its address.
        busy_s: How long to wait for others' transactions.
    """

    def __init__(self, url: URL, busy_s: float = _BUSY_S) -> None:
        self.url, self._busy_s = url, busy_s
        self._engine: Engine | None = None
        self._start_anew()
        _all.add(self)

    def _start_anew(self) -> None:
        self._changing = threading.Lock()
        self._users: Counter[Engine] = Counter()  # how many transactions each has

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (self.url, self._busy_s)  # each process has connections of its own

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._transaction({}) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept whole or not at all."""
        with self._transaction({_WRITES: True}) as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch, by a clock that all workers share."""
        if connection.dialect.name != "postgresql":
            return time.time()
        clock = sqlalchemy.extract("epoch", func.clock_timestamp())
        return float(connection.scalars(select(clock)).one())

    def close(self) -> None:
        """Give up its connections; the next transaction opens new ones."""
        with self._changing:
            engine, self._engine = self._engine, None
            if engine is not None and not self._users[engine]:
                engine.dispose()  # else its last user does so

    @contextlib.contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        with (
            _clear_errors(str(self)),
            self._used_engine() as engine,
            engine.connect() as connection,
        ):
            connection = connection.execution_options(**options)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def _used_engine(self) -> Iterator[Engine]:
        with self._changing:
            engine = self._engine or self._open()
            self._users[engine] += 1
        try:
            yield engine
        finally:
            with self._changing:
                self._users[engine] -= 1
                if not self._users[engine]:
                    del self._users[engine]
                    if engine is not self._engine:  # it was closed meanwhile
                        engine.dispose()

    def _open(self) -> Engine:
        engine = _engine(self.url, self._busy_s)
        try:
            _bring_up_to_date(engine, str(self))
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine
        weakref.finalize(self, engine.dispose)
        return engine

    def _forget_connections(self) -> None:
        """In a forked child: they are the parent's, and closing them would disturb it."""
        self._start_anew()
        if self._engine is not None:
            _inherited.append(self._engine.pool)
            self._engine.dispose(close=False)


_all: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[Any] = []


def _forget_all() -> None:
    for database in list(_all):
        database._forget_connections()


os.register_at_fork(after_in_child=_forget_all)


def _engine(url: URL, busy_s: float) -> Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return sqlalchemy.create_engine(url, pool_pre_ping=True)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseError(f"no driver for {url.drivername}: {error}") from None
    if url.database and not url.database.startswith("file:"):
        _make_private(Path(url.database))
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": busy_s})
    event.listen(engine, "connect", functools.partial(_prepare_sqlite, busy_s=busy_s))
    event.listen(engine, "begin", functools.partial(_begin_sqlite, busy_s=busy_s))
    return engine


def _make_private(file: Path) -> None:
    """A new file, which its user alone can read: it holds the sources of cells."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))


def _prepare_sqlite(connection: Any, _: object, busy_s: float) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    try:
        # Of several that open a new file, SQLite refuses some at once, whatever its time-out is.
        _until_free(lambda: cursor.execute("PRAGMA journal_mode=WAL"), busy_s)
    except Exception as error:
        if "readonly" not in str(error):
            raise
    cursor.close()


def _begin_sqlite(connection: Connection, busy_s: float) -> None:
    if not connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql("BEGIN")
        return
    # Inside SQLite nobody can be interrupted: it waits in many short steps.
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_STEP_MS}")
    # A transaction that begins to write later could find that it has read what is no more.
    _until_free(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), busy_s)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(busy_s * 1000)}")


def _until_free(step: Callable[[], object], busy_s: float) -> None:
    """Try a step of SQLite's again while others hold the file, for so many seconds."""
    give_up = time.monotonic() + busy_s
    while True:
        try:
            step()
            return
        except (sqlite3.OperationalError, OperationalError) as error:
            if "locked" not in str(error) or time.monotonic() >= give_up:
                raise
        time.sleep(_PAUSE_S)


def _bring_up_to_date(engine: Engine, name: str) -> None:
    with engine.connect() as connection, connection.begin():
        if _version(connection, name) == schema.VERSION:
            return
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        version = _version(connection, name)
        for step in schema.MIGRATIONS[version:]:
            step(connection)
        versions = schema.versions
        if version:
            connection.execute(update(versions).values(version=schema.VERSION))
        else:
            connection.execute(insert(versions).values(version=schema.VERSION))


def _version(connection: Connection, name: str) -> int:
    """The tables' version; 0 if there are none."""
    if not inspect(connection).has_table(schema.versions.name):
        return 0
    version = int(connection.scalar(select(schema.versions.c.version)) or 0)
    if version > schema.VERSION:
        raise DatabaseError(
            f"{name} was made by a newer caikit_nb (version {version} of the tables, and this one "
            f"knows {schema.VERSION}): upgrade caikit_nb"
        )
    return version


_KNOWN_FAULTS = {
    "file is not a database": "it is not a database",
    "malformed": "the file is damaged: put a copy there, or save what sqlite3's .recover finds",
    "database is locked": "another program holds it locked; try again when that has ended",
    "readonly database": "it is read-only: make the file and its directory writable",
    "unable to open": "it can't be opened: see that its directory exists and may be written",
    "disk is full": "the disk is full; nothing was written, and what was there before stays",
    "disk I/O error": "the disk is full or gave an error; the last change was not written",
}


@contextlib.contextmanager
def _clear_errors(name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        original = str(error.orig).strip()
        fault = next((say for sign, say in _KNOWN_FAULTS.items() if sign in original), None)
        said = fault or " ".join(original.splitlines())
        raise DatabaseError(f"{name}: {said}") from error
    except SQLAlchemyError as error:
        raise DatabaseError(f"{name}: {error}") from error
    except OSError as error:
        raise DatabaseError(f"{name}: {error}") from error
