"""A name that is served again: the older server answers until the new one does."""

import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caikit_nb.deploy.servers import Servers
from caikit_nb.errors import ModelMissingError, ServerError
from caikit_nb.jobs.registry import JobRegistry
from tests.fifo import Fifo
from tests.serving.conftest import START_S, double
from tests.waiting import until


def negate(x):
    return -x


class Waiting:
    """Says that it was asked, and answers once it is told to."""

    def __init__(self, asked: Fifo, gate: Fifo) -> None:
        self.asked, self.gate = str(asked.path), str(gate.path)

    def __call__(self, x):
        Path(self.asked).write_text("1")
        Path(self.gate).read_text()
        return x


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers(JobRegistry(), "0")
    yield made
    made.close()


def ask(target: str) -> float:
    """Ask for a prediction of one, by a client of its own."""
    from tests.serving.client import Client

    with Client(target) as client:
        return float(client.infer("prod", [1.0])["output"][0])


def test_no_request_fails_while_a_new_one_takes_its_place(servers: Servers) -> None:
    from tests.serving.client import Client

    old = servers.start(double, "prod")
    stop, answers = threading.Event(), []

    def keep_asking(*, anew: bool) -> None:
        with Client(old.target) as client:
            while not stop.is_set():
                answers.append(
                    ask(old.target) if anew else float(client.infer("prod", [1.0])["output"][0])
                )

    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(keep_asking, anew=anew) for anew in (True, False)]
        try:
            until(lambda: len(answers) > 10)
            new = servers.start(negate, "prod")
            replaced = len(answers)
            until(lambda: len(answers) > replaced + 10)
        finally:
            stop.set()
        for each in asking:
            each.result()
    assert new.target == old.target
    assert old.state == "stopped"
    assert servers["prod"] is new
    # Two requests may have been on their way when the new one was alone.
    assert (answers[0], set(answers[replaced + 2 :])) == (2.0, {-1.0})


def test_what_can_not_be_loaded_leaves_the_older_one(servers: Servers, tmp_path: Path) -> None:
    old = servers.start(double, "prod")
    with pytest.raises(ModelMissingError):
        servers.start(tmp_path / "absent.joblib", "prod")
    assert (servers["prod"], old.state, ask(old.target)) == (old, "serving", 2.0)


def test_what_the_older_one_was_asked_it_answers(servers: Servers, tmp_path: Path) -> None:
    asked, gate = Fifo(tmp_path / "asked"), Fifo(tmp_path / "gate")
    old = servers.start(Waiting(asked, gate), "prod")
    with ThreadPoolExecutor(2) as threads:
        answer = threads.submit(ask, old.target)
        asked.hear()
        replacing = threads.submit(servers.start, negate, "prod")
        until(lambda: servers["prod"] is not old)
        gate.say()
        assert answer.result(START_S) == 1.0
        assert ask(replacing.result(START_S).target) == -1.0


def test_no_answer_is_lost_when_a_server_stops(servers: Servers) -> None:
    """A client that keeps asking hears that the server is gone, and of no cancelled request."""
    from tests.serving.client import Client, code

    server, answers = servers.start(double, "prod"), []

    def ask_until_it_fails() -> str:
        with Client(server.target) as client:
            while (found := code(lambda: client.infer("prod", [1.0]))) == "OK":
                answers.append(found)
        return found

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask_until_it_fails) for _ in range(4)]
        until(lambda: len(answers) > 20)
        server.stop()
        assert {each.result(START_S) for each in asking} == {"UNAVAILABLE"}


def test_a_socket_is_taken_over_and_stays_the_users_own(servers: Servers, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    old = servers.start(double, "prod", socket=path)
    new = servers.start(negate, "prod", socket=path)
    assert old.state == "stopped"
    assert ask(new.target) == -1.0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert new.stop()
    assert not list(tmp_path.iterdir())


def test_another_address_is_taken_where_its_owner_says_so(servers: Servers, tmp_path: Path) -> None:
    old = servers.start(double, "prod", socket=tmp_path / "socket")
    new = servers.start(negate, "prod")
    assert not (tmp_path / "socket").exists()
    assert (old.state, new.target.partition(":")[0]) == ("stopped", "127.0.0.1")
    assert ask(new.target) == -1.0


def test_another_name_does_not_take_the_port(servers: Servers) -> None:
    port = servers.start(double, "prod").port
    with pytest.raises(ServerError, match=f"can't listen at 127.0.0.1:{port}: "):
        servers.start(negate, "other", port=port)
    assert servers["other"].state == "failed"
    assert ask(servers["prod"].target) == 2.0


def test_one_that_has_ended_is_replaced_by_a_server_of_its_own(servers: Servers) -> None:
    old = servers.start(double, "prod")
    old.stop()
    assert ask(servers.start(negate, "prod").target) == -1.0
