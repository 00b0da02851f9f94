"""What SECURITY.md says of files and ports holds, whatever the umask is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SESSION = """
import json, os, pathlib, psutil, sys
os.umask(0)
import caikit_nb

def look():
    print("words for the log")
    own = psutil.Process()
    connections = getattr(own, "net_connections", None) or own.connections  # before psutil 6
    listening = [c for c in connections("inet") if c.status == psutil.CONN_LISTEN]
    return len(listening), caikit_nb.current_job().save_path

method, folder = sys.argv[1:]
options = caikit_nb.options(start_method=method, save_path=folder, save_with_id=True)
job = options.submit(look)
ports, saves = job.result(120)
job.wait(120)
home = pathlib.Path(os.environ["CAIKIT_NB_DIR"])
found = [home, *home.rglob("*"), pathlib.Path(saves)]
modes = {str(path): path.stat().st_mode & 0o777 for path in found}
print(json.dumps({"ports": ports, "modes": modes, "log": job.logs()}))
"""


@pytest.fixture(scope="module", params=["fork", "forkserver", "spawn"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a session and its job have made and opened."""
    folder = tmp_path_factory.mktemp("session")
    environment = {**os.environ, "CAIKIT_NB_DIR": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-c", SESSION, request.param, str(folder / "models")],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_what_a_session_writes_is_its_users_alone(seen: Any) -> None:
    assert len(seen["modes"]) > 5
    assert {path: oct(mode) for path, mode in seen["modes"].items() if mode & 0o077} == {}


def test_a_job_listens_on_no_port(seen: Any) -> None:
    assert seen["log"] == "words for the log\n"
    assert seen["ports"] == 0
