"""Databases for the tests: a file, and a real PostgreSQL where Debian's packages are installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from caikit_nb.experiments import ExperimentDB
from tests.postgresql import NoServer, create_database, running_server


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """The directory of a server's socket; the server is this run's own."""
    with ExitStack() as stack:
        try:
            socket = stack.enter_context(running_server())
        except NoServer as missing:
            pytest.skip(str(missing))
        yield socket


@pytest.fixture
def postgres_url(postgres_socket: str, request: pytest.FixtureRequest) -> str:
    """An empty database of that server."""
    return create_database(postgres_socket, f"test_{abs(hash(request.node.nodeid))}")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file that is not there yet."""
    return f"sqlite:///{tmp_path / 'experiments.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Each kind of database."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def open_db() -> Iterator[Callable[..., ExperimentDB]]:
    """Open a database that is closed after the test."""
    with ExitStack() as opened:

        def open_it(url: str, **options: object) -> ExperimentDB:
            db = ExperimentDB(url, **options)
            opened.callback(db.close)
            return db

        yield open_it


@pytest.fixture
def db(sqlite_url: str, open_db: Callable[..., ExperimentDB]) -> ExperimentDB:
    """A database in a file."""
    return open_db(sqlite_url)
