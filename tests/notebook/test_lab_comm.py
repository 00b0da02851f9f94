"""The comm by which JupyterLab's panel knows the jobs, as a front end uses it."""

from collections.abc import Callable
from typing import Any

import pytest

from caikit_nb.notebook.lab_comm import TARGET
from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel


class FrontEnd:
    """A front end that has joined the comm of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.comm_id = self._find()

    def _find(self) -> str:
        request = self.kernel.client.session.msg("comm_info_request", {"target_name": TARGET})
        self.kernel.client.shell_channel.send(request)
        reply = self.kernel._reply(request["header"]["msg_id"], 10)
        (comm_id,) = reply["content"]["comms"]
        return str(comm_id)

    def say(self, data: Any) -> None:
        content = {"comm_id": self.comm_id, "data": data}
        message = self.kernel.client.session.msg("comm_msg", content)
        self.kernel.client.shell_channel.send(message)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """What the kernel has said of a kind."""
        return [
            message["content"]["data"]
            for message in self.kernel.seen
            if message["msg_type"] == "comm_msg"
            and message["content"]["comm_id"] == self.comm_id
            and message["content"]["data"]["type"] == kind
        ]

    def wait(self, kind: str, accept: Callable[[dict[str, Any]], object] = bool) -> Any:
        """The first such message that is accepted, once it has come."""
        found = lambda: [data for data in self.heard(kind) if accept(data)]  # noqa: E731
        self.kernel.read_until(found, what=f"a message {kind}")
        return found()[0]


@pytest.fixture
def front_end(kernel: Kernel) -> FrontEnd:
    front_end = FrontEnd(kernel)
    kernel.seen.clear()
    return front_end


def submit(kernel: Kernel, name: str, body: str) -> None:
    kernel.do(f"%%caikit_job {name}\n{body}")


def has(name: str, status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: any(job["name"] == name and job["status"] == status for job in data["jobs"])


def test_nothing_is_told_to_nobody(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    front_end = FrontEnd(kernel)
    kernel.do("%%caikit_job unseen --wait\n1")
    kernel.read_what_is_there()
    assert [data["version"] for data in front_end.heard("hello")] == [1]
    assert not front_end.heard("changed")


def test_no_comm_is_opened_at_front_ends_that_do_not_know_it(
    start_kernel: Callable[..., Kernel],
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    opened = [m["content"] for m in kernel.seen if m["msg_type"] == "comm_open"]
    assert TARGET not in [content["target_name"] for content in opened]


def test_watch_tells_all_jobs_and_then_each_change(front_end: FrontEnd, gate: Gate) -> None:
    submit(front_end.kernel, "before", "1")
    front_end.say({"type": "watch", "all": True})
    front_end.wait("jobs", lambda data: "before" in [job["name"] for job in data["jobs"]])
    submit(front_end.kernel, "watched", f"print('hi')\n{gate.wait}")
    front_end.wait("changed", has("watched", "RUNNING"))
    gate.open()
    front_end.wait("changed", has("watched", "COMPLETED"))


def test_queue_is_told_in_its_order(front_end: FrontEnd) -> None:
    kernel = front_end.kernel
    front_end.say({"type": "watch", "all": True})
    kernel.do("%config CaikitJobs.max_workers = 1")
    try:
        for name in ("first", "second", "third"):
            submit(kernel, name, "import threading; threading.Event().wait()")
        told = front_end.wait("changed", lambda data: len(data["queue"]) == 2)
    finally:
        kernel.do("%config CaikitJobs.max_workers = 4")
    ids = [kernel.value(f"{name}.id") for name in ("second", "third")]
    assert told["queue"] == ids


@pytest.mark.parametrize(("kind", "status"), [("cancel", "CANCELED"), ("interrupt", "ERRORED")])
def test_job_is_ended_on_request(front_end: FrontEnd, kind: str, status: str) -> None:
    kernel = front_end.kernel
    front_end.say({"type": "watch", "all": True})
    submit(kernel, "endless", "print('on')\nimport threading; threading.Event().wait()")
    front_end.wait("changed", lambda data: any(job["log_bytes"] for job in data["jobs"]))
    front_end.say({"type": kind, "id": kernel.value("endless.id")})
    front_end.wait("changed", has("endless", status))


def test_log_is_read_in_parts(front_end: FrontEnd) -> None:
    kernel = front_end.kernel
    kernel.do("%%caikit_job talks --wait\nprint('one')\nprint('zwölf')")
    job_id = kernel.value("talks.id")
    front_end.say({"type": "log", "id": job_id, "offset": None, "request": "r1"})
    whole = front_end.wait("log", lambda data: data["request"] == "r1")
    assert (whole["text"], whole["offset"], whole["end"]) == ("one\nzwölf\n", 0, whole["size"])
    front_end.say({"type": "log", "id": job_id, "offset": 4, "request": "r2"})
    assert front_end.wait("log", lambda data: data["request"] == "r2")["text"] == "zwölf\n"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"type": "dance", "request": "r"}, "unknown message 'dance'"),
        ({"type": ["watch"]}, "unknown message"),
        ({}, "unknown message None"),
        (None, "unknown message None"),
        ({"type": "cancel", "id": "nobody"}, "no job 'nobody'"),
        ({"type": "log", "id": 5}, "no job 5"),
    ],
)
def test_nonsense_is_answered(front_end: FrontEnd, said: Any, answer: str) -> None:
    front_end.say(said)
    failed = front_end.wait("failed")
    assert answer in failed["message"]
    request = said.get("request") if said else None
    assert failed["request"] == request


def test_unload_closes_the_comm(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    comm_id = FrontEnd(kernel).comm_id
    kernel.do("%unload_ext caikit_nb")
    closed = [m["content"]["comm_id"] for m in kernel.seen if m["msg_type"] == "comm_close"]
    assert comm_id in closed


def key_of(kernel: Kernel, name: str) -> str:
    kept: dict[str, str] = kernel.card(name).saved[KEPT_VIEW]
    return kept["key"]


def test_how_a_card_stands_is_told_by_its_key(
    front_end: FrontEnd, kernel: Kernel, gate: Gate
) -> None:
    submit(kernel, "asked", f"print('words')\n{gate.wait}")
    key = key_of(kernel, "asked")
    front_end.say({"type": "views", "keys": [key, "0" * 12, 7]})
    view = front_end.wait("view", lambda view: view["key"] == key)
    assert not view["ended"]
    assert "<!--state-->" in view["html"]
    assert view["lost"]
    assert front_end.wait("unknown")["keys"] == ["0" * 12]
    gate.open()
    kernel.do("asked.wait()")
    kernel.card("asked").wait_for("completed")
    front_end.say({"type": "views", "keys": [key]})
    view = front_end.wait("view", lambda view: view["ended"])
    assert "completed" in view["html"]
    assert "<!--state-->" not in view["html"]


@pytest.mark.parametrize("ending", ["'a value'", "1 / 0"])
def test_who_follows_is_told_the_last_state_at_once(
    front_end: FrontEnd, kernel: Kernel, ending: str
) -> None:
    front_end.say({"type": "watch", "all": True})
    front_end.wait("jobs")
    submit(kernel, "told", f"print('its words')\n{ending}")
    key = key_of(kernel, "told")
    view = front_end.wait("view", lambda view: view["key"] == key and view["ended"])
    assert "its words" in view["html"]


def test_a_running_one_is_told_while_somebody_follows(
    front_end: FrontEnd, kernel: Kernel, gate: Gate
) -> None:
    front_end.say({"type": "watch", "all": True})
    front_end.wait("jobs")
    submit(kernel, "runs", f"print('early words', flush=True)\n{gate.wait}")
    key = key_of(kernel, "runs")
    front_end.wait("view", lambda view: view["key"] == key and "early words" in view["html"])
    gate.open()
