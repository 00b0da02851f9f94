"""The server's routes, in a real Jupyter Server with a real kernel that is busy."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.browser.lab import LabServer
from tests.waiting import until

NO_KERNEL = "00000000-0000-0000-0000-000000000000"
BUSY = """%load_ext caikit_nb
import threading
get_ipython().run_cell_magic("caikit_job", "talks", '''
print("one")
for step in caikit_nb.progress(range(4), desc="steps"):
    if step == 2:
        import threading; threading.Event().wait()
''')
print("busy")
threading.Event().wait()"""
SHOWS = (
    """%load_ext caikit_nb
import os, pathlib, time
def wait_for(name):
    while not pathlib.Path(FOLDER, name).exists():
        time.sleep(0.02)""",
    "%%caikit_job single\nwait_for('card')",
    "futures = [caikit_nb.submit(wait_for, 'group') for _ in range(2)]",
    "%caikit_jobs",
    "print('process', os.getpid())",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def new_kernel(server: LabServer) -> Iterator[tuple[str, BlockingKernelClient]]:
    """A kernel's id and a client of it."""
    kernel_id = server.api("kernels", method="POST")["id"]
    client = BlockingKernelClient(connection_file=str(server.connection_file(kernel_id)))
    client.load_connection_file()
    client.start_channels(hb=False)  # it has not begun to beat
    try:
        client.wait_for_ready(timeout=180)
        yield kernel_id, client
    finally:
        client.stop_channels()
        server.api(f"kernels/{kernel_id}", method="DELETE")


@pytest.fixture(scope="module")
def busy_kernel(server: LabServer) -> Iterator[str]:
    """The id of a kernel that has a job and is inside a long cell."""
    with new_kernel(server) as (kernel_id, client):
        client.execute(BUSY)
        text = ""
        while "busy" not in text:
            message = client.get_iopub_msg(timeout=180)
            text += message["content"].get("text", "")
        yield kernel_id


def get(server: LabServer, path: str, token: str | None = None) -> Any:
    """Ask a route; the answer's JSON."""
    given = server.token if token is None else token
    request = urllib.request.Request(
        f"{server.url}/caikit-nb/{path}", headers={"Authorization": f"token {given}"}
    )
    with urllib.request.urlopen(request, timeout=180) as answer:
        return json.loads(answer.read())


def status_of(server: LabServer, path: str, token: str | None = None) -> int:
    try:
        get(server, path, token)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


def jobs(server: LabServer, kernel_id: str) -> list[dict[str, Any]]:
    """The jobs once the job has come to its third step: the files lag behind by half a second."""
    while True:
        told = get(server, f"kernels/{kernel_id}/jobs")
        assert (told["protocol"], told["version"], told["type"]) == ("caikit_nb.jobs", 1, "jobs")
        if any(bar["n"] == 2 for job in told["jobs"] for bar in job["bars"]):
            found: list[dict[str, Any]] = told["jobs"]
            return found


def test_busy_kernels_jobs_are_told(server: LabServer, busy_kernel: str) -> None:
    (job,) = jobs(server, busy_kernel)
    assert (job["name"], job["status"]) == ("talks", "RUNNING")
    assert "directory" not in job, "where files lie is nobody's business"


def test_log_is_told_from_any_offset(server: LabServer, busy_kernel: str) -> None:
    (job,) = jobs(server, busy_kernel)
    path = f"kernels/{busy_kernel}/jobs/{job['id']}/log"
    assert get(server, path)["text"] == "one\n"
    assert get(server, f"{path}?offset=2")["text"] == "e\n"
    beyond = get(server, f"{path}?offset=99")
    assert (beyond["text"], beyond["end"]) == ("", 4)
    assert status_of(server, f"{path}?offset=-1") == 400


def test_kernel_without_jobs_has_none(server: LabServer) -> None:
    kernel_id = server.api("kernels", method="POST")["id"]
    try:
        assert get(server, f"kernels/{kernel_id}/jobs")["jobs"] == []
    finally:
        server.api(f"kernels/{kernel_id}", method="DELETE")


def test_other_sessions_are_not_told(server: LabServer, busy_kernel: str, tmp_path: Path) -> None:
    (job,) = jobs(server, busy_kernel)
    other = server.api("kernels", method="POST")["id"]
    try:
        assert status_of(server, f"kernels/{other}/jobs/{job['id']}/log") == 404
    finally:
        server.api(f"kernels/{other}", method="DELETE")


@pytest.mark.parametrize(
    "path",
    [
        f"kernels/{NO_KERNEL}/jobs",
        f"kernels/{NO_KERNEL}/jobs/000000000000/log",
        "kernels/..%2f..%2fetc/jobs",
        f"kernels/{NO_KERNEL}/jobs/..%2f..%2fpasswd/log",
    ],
)
def test_what_is_not_there_is_not_found(server: LabServer, path: str) -> None:
    assert status_of(server, path) == 404


@pytest.mark.parametrize("token", ["", "wrong"])
def test_strangers_are_refused(server: LabServer, token: str) -> None:
    assert status_of(server, f"kernels/{NO_KERNEL}/jobs", token) == 403


def show_views(client: BlockingKernelClient, folder: Path) -> tuple[int, list[str]]:
    """Show a job's card, that of a loop, and a table; returns the kernel's process and the keys."""
    for cell in SHOWS:
        client.execute(cell.replace("FOLDER", repr(str(folder))))
    keys: list[str] = []
    while True:
        message = client.get_iopub_msg(timeout=180)
        assert message["msg_type"] != "error", message["content"]["evalue"]
        if message["msg_type"] == "display_data":
            keys.append(message["content"]["data"][KEPT_VIEW]["key"])
        _, is_told, pid = message["content"].get("text", "").partition("process ")
        if is_told:
            return int(pid), list(dict.fromkeys(keys))


def told(server: LabServer, key: str) -> str:
    """What the server says of a view."""
    try:
        return str(get(server, f"views/{key}")["type"])
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)


def test_every_kind_of_view_lives_until_its_end(server: LabServer, tmp_path: Path) -> None:
    with new_kernel(server) as (_, client):
        _, keys = show_views(client, tmp_path)
        card, group, table = keys
        for key in keys:
            until(lambda key=key: told(server, key) == "lives", f"{key} lives")
        (tmp_path / "card").touch()
        until(lambda: told(server, card) == "view", "the job's end")
        assert [told(server, key) for key in (group, table)] == ["lives", "lives"]
        (tmp_path / "group").touch()
        for key in (group, table):
            until(lambda key=key: told(server, key) == "view", f"the end of {key}")


def test_no_view_lives_in_a_kernel_that_was_killed(server: LabServer, tmp_path: Path) -> None:
    with new_kernel(server) as (_, client):
        pid, keys = show_views(client, tmp_path)
        for key in keys:
            until(lambda key=key: told(server, key) == "lives", f"{key} lives")
        os.kill(pid, signal.SIGKILL)
        for key in keys:
            until(lambda key=key: told(server, key) == "404", f"{key} is gone")
