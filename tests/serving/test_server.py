"""Ports, sockets, TLS, tokens, and how servers end."""

import asyncio
import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from caikit_nb.errors import ModelLoadError, ModelMissingError, ServerError
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.serving.settings import ServerSettings
from tests.fifo import Fifo
from tests.serving.conftest import START_S, double
from tests.waiting import is_gone_within, until

PROGRAM = "from caikit_nb.program import main; main()"


def port_of(target: str) -> int:
    return int(target.rpartition(":")[2])


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_a_free_port_of_this_machine_is_found_and_given_back(start_server) -> None:
    server = start_server({"double": double})
    host, _, port = server.target.rpartition(":")
    assert host == "127.0.0.1"
    assert is_open(int(port))
    assert server.stop()
    assert server.state == "stopped"
    assert server.error is None
    assert not is_open(int(port))
    again = start_server({"double": double}, port=int(port))
    assert port_of(again.target) == int(port)


def test_stop_returns_once_its_listeners_have_heard_of_the_end(start_server) -> None:
    server, heard, gate = start_server(), threading.Event(), threading.Event()

    def listen(changed: ModelServer) -> None:
        if changed.state == "stopped":
            heard.set()
            gate.wait(START_S)

    server.on_change.append(listen)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert heard.wait(START_S)
    stopping.join(0.5)
    assert stopping.is_alive()
    gate.set()
    stopping.join(START_S)
    assert not stopping.is_alive()


def test_a_listener_may_stop_it(start_server) -> None:
    server, stopped = start_server(), threading.Event()

    def listen(changed: ModelServer) -> None:
        changed.on_change.clear()
        if changed.stop():
            stopped.set()

    server.on_change.append(listen)
    server.begin_to_stop()
    assert stopped.wait(START_S)


def test_a_port_that_is_taken_is_refused_in_one_line(start_server, root) -> None:
    server = start_server()
    settings = ServerSettings(root=root, port=port_of(server.target))
    with ModelServer("second", settings, {}, "0") as second:
        with pytest.raises(ServerError, match=r"^can't listen at 127\.0\.0\.1:\d+: .+$"):
            second.wait_until_ready(START_S)
        assert second.state == "failed"


def test_a_unix_socket_is_the_users_alone_and_goes_with_the_server(
    start_server, connect, tmp_path
) -> None:
    path = tmp_path / "s"
    server = start_server({"double": double}, socket=path)
    assert server.target == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert connect(server).infer("double", [1.0])["output"].tolist() == [2.0]
    server.stop()
    assert not path.exists()


def test_the_snippet_is_a_client(start_server, root) -> None:
    models = (("churn", "churn.joblib", "auto"),)
    for server in (start_server(models=models), start_server({"double": double})):
        until(lambda server=server: server.models)
        source, _, last = server.snippet.rpartition("\n")
        names: dict = {}
        exec(source, names)
        assert [value.shape[0] for value in eval(last, names).values()] == [1]
    secret = start_server(models=models, token="not told")
    assert "not told" not in secret.snippet
    compile(secret.snippet, "snippet", "exec")


def test_a_token_is_asked_of_all_but_health_checks(start_server, connect) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from tests.serving.client import code

    client = connect(start_server({"double": double}, token="secret"))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}):
        assert code(lambda h=headers: client.infer("double", [1.0], headers=h)) == (
            "UNAUTHENTICATED"
        )
    assert code(client.status) == "UNAUTHENTICATED"
    right = {"authorization": "Bearer secret"}
    assert client.infer("double", [1.0], headers=right)["output"].tolist() == [2.0]
    health = health_pb2_grpc.HealthStub(client.channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of its own for localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    outputs = ["-out", str(files[0]), "-keyout", str(files[1])]
    try:
        subprocess.run([*request, *names, *outputs], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is missing: apt-get install openssl")
    return files


def test_tls_encrypts_and_plain_clients_are_refused(start_server, connect, certificate) -> None:
    from tests.serving.client import Client, code

    server = start_server({"double": double}, host="localhost", tls=certificate)
    with Client(server.target, root_certificates=str(certificate[0])) as client:
        assert client.infer("double", [1.0])["output"].tolist() == [2.0]
        assert client.status().status == client.status().READY
    assert code(connect(server).status) == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"max_loading": 0}, "max_loading"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_waiting": -1}, "max_waiting"),
        ({"loading_timeout_ms": 99}, "loading_timeout_ms"),
        ({"default_model_bytes": 0}, "default_model_bytes"),
        ({"capacity_bytes": 10 * 18 * 2**20 - 1}, "capacity_bytes"),
        ({"default_model_bytes": 2**30, "capacity_bytes": 2**31 - 1}, "capacity_bytes"),
        ({"max_message_bytes": 2**31}, "max_message_bytes"),
        ({"max_loading": True}, "max_loading"),
        ({"max_loading": 1.5}, "max_loading"),
    ],
)
def test_numbers_that_modelmesh_refuses_are_refused_at_the_start(changed, name) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        ServerLimits(**changed)


def test_a_server_without_room_for_modelmesh_says_failing(start_server, connect) -> None:
    limits = ServerLimits(capacity_bytes=ServerLimits().least_capacity_bytes)
    status = connect(start_server(limits=limits)).status()
    assert status.status == status.READY
    status = connect(start_server({"double": double}, limits=limits)).status()
    assert status.status == status.FAILING


@pytest.mark.parametrize(
    "wrong",
    [{"port": -1}, {"port": 65536}, {"port": "x"}, {"token": "ä"}, {"tls": ("a", "b")}],
)
def test_settings_that_can_not_be_are_refused(root, wrong) -> None:
    from pathlib import Path

    if "tls" in wrong:
        wrong = {"tls": tuple(map(Path, wrong["tls"]))}
    with pytest.raises(ValueError):
        ServerSettings(root=root, **wrong)


@pytest.mark.parametrize(
    ("path", "error"), [("absent", ModelMissingError), ("corrupt.joblib", ModelLoadError)]
)
def test_a_model_that_can_not_be_loaded_ends_the_start(root, path, error) -> None:
    settings = ServerSettings(root=root, trusted=(root,), models=(("m", path, "auto"),))
    with ModelServer("m", settings, {}, "0") as server, pytest.raises(error):
        server.wait_until_ready(START_S)


def test_packages_that_do_not_fit_each_other_are_told_with_what_mends_it(
    root, tmp_path, monkeypatch
) -> None:
    """As after an installation that has put another protobuf below gRPC's packages."""
    package, fault = tmp_path / "grpc_health", "gencode 7, runtime 6"
    package.mkdir()
    (package / "__init__.py").write_text(f"raise ValueError({fault!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    told = rf'pip install "caikit_nb\[serving\]" "tritonclient.*{fault}'
    server = ModelServer("m", ServerSettings(root=root), {}, "0")
    with server, pytest.raises(ServerError, match=told):
        server.wait_until_ready(START_S)


def wait_at(begun, gate):
    """A function that says that it was called, and waits."""

    def work(x):
        with open(begun, "w") as told:
            told.write("begun")
        with open(gate) as waiting:
            waiting.read()
        return x

    return work


@pytest.fixture
def waiting(tmp_path):
    begun, gate = Fifo(tmp_path / "begun"), Fifo(tmp_path / "gate")
    return begun, gate, wait_at(begun.path, gate.path)


def end_a_child(x):
    """The usual ends of processes that multiprocessing has forked."""
    context = multiprocessing.get_context("fork")
    ended = []
    for end in ("terminate", "interrupt"):
        child = context.Process(target=signal.pause)
        child.start()
        child.terminate() if end == "terminate" else os.kill(child.pid, signal.SIGINT)
        child.join(START_S)
        ended.append(float(child.exitcode))
    return np.array(ended)


def test_the_processes_that_a_model_forks_are_its_own(start_server, connect) -> None:
    server = start_server({"forks": end_a_child})
    client = connect(server)
    for _ in range(20):
        ended = client.infer("forks", [1.0])["output"].tolist()
        assert ended == [-signal.SIGTERM, -signal.SIGINT]
    assert server.state == "serving"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_a_model_that_ends_its_program_has_failed(start_server, connect, error) -> None:
    from tests.serving.client import code

    def fail(x):
        raise error("no")

    server = start_server({"fails": fail, "double": double})
    client = connect(server)
    assert code(lambda: client.infer("fails", [1.0])) == "INTERNAL"
    assert client.infer("double", [1.0])["output"].tolist() == [2.0]
    assert server.stop()


def test_a_server_that_stops_answers_what_is_there(start_server, connect, waiting) -> None:
    begun, gate, work = waiting
    server = start_server({"work": work})
    client, answers = connect(server), []
    asking = threading.Thread(target=lambda: answers.append(client.infer("work", [5.0])))
    asking.start()
    begun.hear()
    server.begin_to_stop()
    gate.say()
    asking.join(START_S)
    assert answers[0]["output"].tolist() == [5.0]
    assert server.stop()
    assert server.error is None


def test_an_unload_waits_for_the_requests_and_takes_no_new_ones(
    start_server, connect, waiting
) -> None:
    from tests.serving.client import code

    begun, gate, work = waiting
    client, answers = connect(start_server({"work": work})), []
    asking = threading.Thread(target=lambda: answers.append(client.infer("work", [5.0])))
    asking.start()
    begun.hear()
    unloading = client.runtime.unloadModel.future(unload_request("work"))
    while code(lambda: client.size("work")) == "OK":
        pass
    assert code(lambda: client.infer("work", [1.0])) == "NOT_FOUND"
    assert not unloading.done()
    gate.say()
    assert unloading.result(START_S) is not None
    asking.join(START_S)
    assert answers[0]["output"].tolist() == [5.0]


def unload_request(model_id):
    from caikit_nb.serving import model_runtime_pb2 as pb

    return pb.UnloadModelRequest(modelId=model_id)


def test_no_more_requests_are_in_a_model_than_may_be_and_too_many_are_refused(
    start_server, connect, tmp_path
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.serving.client import code

    most = np.zeros(1)

    def count(x):
        import threading
        import time

        here = count.__dict__.setdefault("lock", threading.Lock())
        with here:
            count.inside = getattr(count, "inside", 0) + 1
            count.most = max(getattr(count, "most", 0), count.inside)
        time.sleep(0.02)
        with here:
            count.inside -= 1
        return most + count.most

    limits = ServerLimits(max_concurrency=2, max_waiting=16)
    client = connect(start_server({"count": count}, limits=limits))
    with ThreadPoolExecutor(40) as threads:
        codes = list(threads.map(lambda _: code(lambda: client.infer("count", [1.0])), range(200)))
    assert set(codes) == {"OK", "RESOURCE_EXHAUSTED"}
    assert client.infer("count", [1.0])["output"].tolist() == [2.0]


@pytest.fixture
def run_program(pytestconfig):
    """Start ``caikit-nb`` with arguments; it is ended after the test."""
    begun = []

    def run(*arguments: str, head: str = "") -> subprocess.Popen:
        path = str(pytestconfig.rootpath)
        process = subprocess.Popen(
            [sys.executable, "-c", f"{head}\n{PROGRAM}", *arguments],
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def test_the_program_serves_until_sigterm_and_drains(run_program, root, connect) -> None:
    process = run_program("serve", str(root / "churn.skops"), "--port", "0")
    line = process.stdout.readline()
    assert line.startswith("serving churn at 127.0.0.1:"), process.stderr.read()

    class Served:
        target = line.split()[3]

    client = connect(Served)
    assert client.infer("churn", np.zeros((2, 3)))["predict"].shape == (2,)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=START_S)
    assert (process.returncode, out, err) == (0, "stopping\n", "")
    assert not is_open(port_of(Served.target))


def test_the_program_loads_what_it_is_told_and_leaves_no_process(
    run_program, root, connect, held
) -> None:
    _gate, begun = held("cut")
    process = run_program(
        *("serve", str(root), "--port", "0", "--load", "c=churn.joblib"),
        *("--load", "double.cloudpickle", "--trust", str(root)),
    )
    line = process.stdout.readline()
    assert line.startswith("serving c, double at "), process.stderr.read()

    class Served:
        target = line.split()[4]

    client = connect(Served)
    call = client.loading("cut", "cut.cloudpickle")
    pid = int(begun.hear())
    process.send_signal(signal.SIGKILL)
    assert is_gone_within(pid, 20)
    assert call.code().name == "UNAVAILABLE"


def test_sigterm_ends_a_program_that_still_loads(run_program, root, held) -> None:
    _gate, begun = held("starting")
    arguments = ("--port", "0", "--load", "starting.cloudpickle", "--trust", str(root))
    process = run_program("serve", str(root), *arguments)
    pid = int(begun.hear())
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=START_S)
    assert (process.returncode, out, err) == (0, "", "")
    assert is_gone_within(pid, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "/no/such/folder"], "there is no /no/such/folder"),
        (["serve", ".", "--capacity", "1"], "capacity_bytes must be"),
        (["serve", ".", "--capacity", "much"], "not a size"),
        (["serve", ".", "--port", "99999"], "port must be from 0 to 65535"),
        (["serve", ".", "--key", "x"], "--certificate and --key go together"),
        (["serve", ".", "--load", "absent.joblib"], "there is no file"),
        (["nothing"], "the commands are experiments, serve"),
    ],
)
def test_the_program_refuses_in_one_line(run_program, arguments, told) -> None:
    process = run_program(*arguments)
    _out, err = process.communicate(timeout=START_S)
    assert process.returncode
    assert told in err
    assert len(err.strip().splitlines()) == 1, err


def test_the_program_names_the_extra_of_the_command(run_program, root) -> None:
    process = run_program("serve", str(root), head="import sys; sys.modules['grpc'] = None")
    _out, err = process.communicate(timeout=START_S)
    assert err.strip() == 'caikit-nb serve needs grpc: pip install "caikit_nb[serving]"'
