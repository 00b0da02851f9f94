"""The server's routes, in a real Jupyter Server with a real kernel that is busy."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.browser.lab import LabServer

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def busy_kernel(server: LabServer) -> Iterator[str]:
    """The id of a kernel that has a job and is inside a long cell."""
    kernel_id = server.api("kernels", method="POST")["id"]
    client = BlockingKernelClient(connection_file=str(server.connection_file(kernel_id)))
    client.load_connection_file()
    client.start_channels(hb=False)  # it has not begun to beat
    try:
        client.wait_for_ready(timeout=180)
        client.execute(BUSY)
        text = ""
        while "busy" not in text:
            message = client.get_iopub_msg(timeout=180)
            text += message["content"].get("text", "")
        yield kernel_id
    finally:
        client.stop_channels()
        server.api(f"kernels/{kernel_id}", method="DELETE")


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
