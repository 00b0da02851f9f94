"""Databases for the tests: a file, and a real PostgreSQL where Debian's packages are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from caikit_nb.experiments import ExperimentDB


def _postgres_program(name: str) -> str | None:
    homes = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(homes[-1]) if homes else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """The directory of a server's socket; the server is this run's own."""
    initdb, server = _postgres_program("initdb"), _postgres_program("pg_ctl")
    if initdb is None or server is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    # A root's server must be another user's, who can't enter pytest's directories.
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="caikit-pg-"))
    if user:
        shutil.chown(home, "postgres")
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c max_connections=120"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}

    def call(*arguments: str) -> None:
        subprocess.run(
            arguments, check=True, capture_output=True, cwd=home, env=environment, **user
        )

    data = str(home / "data")
    try:
        call(initdb, "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8")
        call(server, "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
        yield str(home)
        call(server, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_socket: str, request: pytest.FixtureRequest) -> str:
    """An empty database of that server."""
    import psycopg

    name = f"test_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(
        host=postgres_socket, user="tester", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://tester@/{name}?host={postgres_socket}"


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
