"""A real PostgreSQL server of one's own, where Debian's packages are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoServer(LookupError):
    """The server's programs aren't installed."""


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server; gives the directory of its socket, and is its end."""
    initdb, server = _program("initdb"), _program("pg_ctl")
    # A root's server must be another user's, who can't enter the directories of tests.
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


def create_database(socket: str, name: str) -> str:
    """Make an empty database; returns its URL."""
    import psycopg

    with psycopg.connect(
        host=socket, user="tester", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://tester@/{name}?host={socket}"


def _program(name: str) -> str:
    homes = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(homes[-1]) if homes else shutil.which(name)
    if found is None:
        raise NoServer("needs PostgreSQL's server: apt-get install postgresql")
    return found
