"""Schedy's HTTP interface: the real client drives it, and what it must refuse."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from caikit_nb.experiments import (
    ExperimentDB,
    GridSearch,
    Job,
    ManualSearch,
    PopulationBasedTraining,
    RandomSearch,
)
from caikit_nb.experiments.distributions import Choice, Integer, Uniform, When
from caikit_nb.experiments.pbt import Truncate
from caikit_nb.experiments.service import MOST_BYTES
from caikit_nb.experiments.tokens import PASS_S, Tokens
from tests.environments import make_environment
from tests.ports import free_port

SERVE = """
import sys
from caikit_nb.experiments import ExperimentDB
from caikit_nb.experiments.service import serve_forever
serve_forever(ExperimentDB(sys.argv[1], lease_s=None), "127.0.0.1", int(sys.argv[2]))
"""
EMAIL = "me@example.org"
BEGUN = b"GET /experiments/ HTTP/1.1\r\nHost: x\r\n"


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """The service in a process of its own."""

    def __init__(self, url: str, before: str = "") -> None:
        self.url, self.port = url, free_port()
        self.script = f"{before}\n{SERVE}"
        self.root = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.script, self.url, str(self.port)],
            env=environment,
            stderr=subprocess.PIPE,
        )
        give_up = time.monotonic() + 60
        while not is_open(self.port):
            assert self.process.poll() is None
            assert time.monotonic() < give_up

    def stop(self) -> None:
        self.process.kill()
        self.told = self.process.communicate()[1].decode()

    def slow_client(
        self, text: bytes = b"GET /experiments/ HTTP/1.1\r\nHost: x\r\n"
    ) -> socket.socket:
        """One that has begun a request and doesn't go on."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=180)
        client.sendall(text)
        return client

    def answers(self) -> bool:
        """Whether it answers one that has no pass."""
        try:
            urllib.request.urlopen(f"{self.root}experiments/", timeout=180)
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 401
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(f"sqlite:///{tmp_path_factory.mktemp('served') / 'e.sqlite'}")
    yield served
    served.stop()


@pytest.fixture
def served(server: Server) -> Iterator[ExperimentDB]:
    """The database of the service, empty."""
    db = ExperimentDB(server.url, lease_s=None)
    for experiment in db.get_experiments():
        experiment.delete()
    yield db
    db.close()


@pytest.fixture(scope="session")
def schedy_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the real client; it needs a urllib3 that is older than ours."""
    home = tmp_path_factory.mktemp("schedy")
    return str(make_environment(home, "schedy"))


@pytest.fixture
def schedy(server: Server, served: ExperimentDB, schedy_python: str):
    """Run some code with the real client, and return what it printed as JSON."""
    config = {"root": server.root, "email": EMAIL, "token": Tokens(served).add(EMAIL)}

    def run(code: str) -> object:
        head = f"import json, schedy\ndb = schedy.SchedyDB(config_override={config!r})\n"
        done = subprocess.run(
            [schedy_python, "-W", "ignore", "-c", head + textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_client_creates_and_works_through_an_experiment(schedy, served):
    told = schedy(
        """
        e = schedy.ManualSearch('manual test')
        db.add_experiment(e)
        try: db.add_experiment(schedy.ManualSearch('manual test'))
        except schedy.errors.ResourceExistsError: twice = True
        e.add_job(hyperparameters={'lr': 0.1, 'list': [1, None]})
        with e.next_job() as job:
            job.results['loss'] = 0.5
            job.put()
        try: e.next_job()
        except schedy.errors.NoJobError: none = True
        again = db.get_experiment('manual test').get_job(job.job_id)
        print(json.dumps([twice, none, again.status, again.results, again.hyperparameters]))
        """
    )
    assert told == [True, True, "DONE", {"loss": 0.5}, {"lr": 0.1, "list": [1, None]}]
    (job,) = served.get_experiment("manual test").all_jobs()
    assert (job.status, job.results) == ("DONE", {"loss": 0.5})


def test_a_stale_etag_is_an_unsafe_update_for_the_client(schedy):
    told = schedy(
        """
        e = schedy.ManualSearch('stale')
        db.add_experiment(e)
        one = e.add_job(hyperparameters={'x': 1})
        two = e.get_job(one.job_id)
        two.results['by'] = 'two'
        two.put()
        told = []
        try: one.put()
        except schedy.errors.UnsafeUpdateError: told.append('lost')
        one.results['by'] = 'one'
        one.put(safe=False)
        told.append(e.get_job(one.job_id).results['by'])
        try: schedy.Job(one.job_id, e, {}).put()
        except schedy.errors.UnsafeUpdateError: told.append('is there')
        one.delete()
        try: one.delete()
        except schedy.errors.ClientRequestError: told.append('gone')
        one.delete(ensure=False)
        print(json.dumps(told))
        """
    )
    assert told == ["lost", "one", "is there", "gone"]


def test_the_client_pages_through_a_thousand_jobs(schedy, served):
    experiment = served.add_experiment(ManualSearch("many"))
    for n in range(1000):
        experiment.add_job({"n": n})
    told = schedy(
        "print(json.dumps([j.hyperparameters['n'] for j in db.get_experiment('many').all_jobs()]))"
    )
    assert told == list(range(1000))


def test_the_client_runs_population_based_training_to_its_end(schedy, served):
    told = schedy(
        """
        from schedy.pbt import Truncate, Perturb, MAXIMIZE
        from schedy.random import Uniform, LogUniform, Choice, Normal, Constant
        e = schedy.PopulationBasedTraining(
            'pbt', MAXIMIZE, 'score', Truncate(0.25), {'x': Perturb()},
            {'x': Uniform(0, 1), 'c': Choice([1, 'a'])}, population_size=4, max_generations=3)
        db.add_experiment(e)
        n = 0
        while True:
            try: job = e.next_job()
            except schedy.errors.NoJobError: break
            with job:
                job.results['score'] = job.results.get('score', 0) + job.hyperparameters['x']
            n += 1
        again = db.get_experiment('pbt')
        r = schedy.RandomSearch('random', {'l': LogUniform(1e-3, 1), 'n': Normal(0, 1),
                                           'k': Constant([1])})
        db.add_experiment(r)
        names = [each.name for each in db.get_experiments()]
        drawn = sorted(r.next_job().hyperparameters)
        r.status = r.DONE
        r.push_updates()
        print(json.dumps([n, again.status, again.population_size, names, drawn]))
        """
    )
    assert told == [12, "DONE", 4, ["pbt", "random"], ["k", "l", "n"]]
    assert served.get_experiment("random").status == "DONE"
    assert served.get_experiment("pbt").best().results["score"] > 0


def test_several_clients_never_get_the_same_job(schedy, served, schedy_python):
    served.add_experiment(ManualSearch("shared"))
    for n in range(40):
        served.get_experiment("shared").add_job({"n": n})
    told = schedy(
        """
        import threading
        found = []
        def work():
            mine = schedy.SchedyDB(config_override=dict(
                root=db.root, email=db.email, token=db.api_token)).get_experiment('shared')
            while True:
                try: found.append(mine.next_job().hyperparameters['n'])
                except schedy.errors.NoJobError: return
        workers = [threading.Thread(target=work) for _ in range(4)]
        [w.start() for w in workers]; [w.join() for w in workers]
        print(json.dumps(sorted(found)))
        """
    )
    assert told == list(range(40))


def test_the_client_can_work_for_searches_that_it_does_not_know(schedy, served):
    served.add_experiment(GridSearch("grid", {"a": [1, 2]}))
    told = schedy(
        """
        (e,) = list(db.get_experiments())
        values = []
        while True:
            try: job = e.next_job()
            except schedy.errors.NoJobError: break
            with job: values.append(job.hyperparameters['a'])
        e.push_updates()
        print(json.dumps([values, type(e).__name__]))
        """
    )
    assert told == [[1, 2], "ManualSearch"]
    assert isinstance(served.get_experiment("grid"), GridSearch)


def test_the_client_does_not_lose_what_it_can_not_read(schedy, served):
    search = PopulationBasedTraining(
        *("pbt", "max", "score", Truncate(0.5)),
        initial_distributions={"x": Uniform(0, 1)},
        population_size=2,
        max_generations=2,
    )
    served.add_experiment(search)
    told = schedy(
        """
        e = db.get_experiment('pbt')
        e.push_updates()
        n = 0
        while n < 9:
            try: job = e.next_job()
            except schedy.errors.NoJobError: break
            with job: job.results['score'] = n = n + 1
        print(json.dumps(n))
        """
    )
    assert told == 4
    assert served.get_experiment("pbt").max_generations == 2


@pytest.mark.parametrize(
    "distribution", [Integer(1, 3), Uniform(0, 1, step=0.5), When({"a": 1}, Uniform(0, 1))]
)
def test_the_client_can_list_distributions_that_it_does_not_know(schedy, served, distribution):
    space = {"a": Choice([1]), "b": distribution}
    served.add_experiment(RandomSearch("random", space))
    told = schedy(
        """
        (e,) = list(db.get_experiments())
        with e.next_job() as job: pass
        e.push_updates()
        print(json.dumps([type(e).__name__, sorted(job.hyperparameters)]))
        """
    )
    assert told == ["ManualSearch", ["a", "b"]]
    assert served.get_experiment("random").distributions == space


def test_a_restarted_service_knows_its_clients(tmp_path, schedy_python):
    url = f"sqlite:///{tmp_path / 'e.sqlite'}"
    db = ExperimentDB(url)
    passes = Tokens(db)
    token = passes.add(EMAIL)
    shown = passes.trade(EMAIL, token, now=1000.0)
    again = Tokens(ExperimentDB(url))
    assert again.owner_of(shown.text, now=1001.0) == EMAIL
    assert again.owner_of(shown.text, now=1001.0 + PASS_S) is None
    passes.add(EMAIL)
    assert again.owner_of(shown.text, now=1001.0) is None
    assert passes.trade(EMAIL, token, now=1000.0) is None
    db.close()


def call_program(url, *arguments):
    code = "from caikit_nb.program import main; main()"
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, "-c", code, "experiments", "serve", "--url", url, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("host", "warns"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)]
)
def test_who_serves_is_told_where_and_how_safe_it_is(sqlite_url, host, warns):
    with call_program(sqlite_url, "--host", host, "--port", "0") as program:
        told = program.stderr.readline()
        port = int(re.search(r"is served at http://[\w.]+:(\d+)/", told)[1])
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/experiments/", timeout=180)
        refused.value.close()
        program.send_signal(signal.SIGINT)
        assert ("use a proxy with TLS" in program.stderr.read()) == warns


def test_what_can_not_be_served_is_one_line(server, sqlite_url, tmp_path):
    (tmp_path / "diary").write_text("my diary\n" * 100)
    cases = {
        (sqlite_url, "--port", str(server.port)): "Address already in use",
        (sqlite_url, "--host", "no.such.host.invalid"): "can't listen at no.such.host.invalid",
        (f"sqlite:///{tmp_path / 'diary'}", "--port", "0"): "it is not a database",
    }
    for arguments, says in cases.items():
        with call_program(*arguments) as program:
            told = program.stderr.read()
        assert says in told
        assert told.count("\n") == 1
        assert program.returncode == 1


def test_no_token_is_kept_as_it_is(tmp_path):
    db = ExperimentDB(f"sqlite:///{tmp_path / 'e.sqlite'}")
    token = Tokens(db).add(EMAIL)
    db.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert EMAIL.encode() in kept
    assert token.encode() not in kept


class Caller:
    """A client without manners."""

    def __init__(self, server: Server, db: ExperimentDB) -> None:
        self._root = server.root
        self.headers: dict[str, str] = {}
        token = Tokens(db).add(EMAIL)
        _, answer = self("POST", "token/", json.dumps({"email": EMAIL, "token": token}))
        self.headers = {"Authorization": f"Bearer {json.loads(answer)['token']}"}

    def __call__(self, method, path, body=None, **headers) -> tuple[int, str]:
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(
            self._root + path,
            data,
            self.headers | {name.replace("_", "-"): value for name, value in headers.items()},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def call(server: Server, served: ExperimentDB) -> Caller:
    return Caller(server, served)


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", "Bearer ÿ", "Basic bWU6bWU=", "Bearer bWVAZXhhbXBsZTox"]
)
def test_without_a_pass_nothing_is_told(call, shown):
    call.headers = {"Authorization": shown.encode().decode("latin-1")}
    for method, path in (
        ("GET", "experiments/"),
        ("PUT", "experiments/x/"),
        ("POST", "resettoken/"),
    ):
        assert call(method, path)[0] == 401


@pytest.mark.parametrize(
    "body", ['{"email": "me@example.org", "token": "x"}', '{"email": 3}', '{"email": "who"}']
)
def test_a_wrong_token_is_refused(call, body):
    assert call("POST", "token/", body)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "experiments/x/", "", 400),
        ("PUT", "experiments/x/", "[]", 400),
        ("PUT", "experiments/x/", "{", 400),
        ("PUT", "experiments/x/", b"\xff", 400),
        ("PUT", "experiments/x/", '{"status": "RUNNING", "scheduler": {"Odd": 1}}', 400),
        ("PUT", "experiments/x/", '{"status": "ODD", "scheduler": {"Manual": null}}', 400),
        ("PUT", "experiments/x/", '{"name": "y", "scheduler": {"Manual": null}}', 400),
        ("PUT", "experiments/x/", '{"scheduler": {"PBT": {}}}', 400),
        ("PUT", "experiments/x/", '{"scheduler": {"PBT": 3}}', 400),
        ("PUT", "experiments/x/", '{"scheduler": {"RandomSearch": {"a": {"uniform": 1}}}}', 400),
        ("PUT", "experiments/" + "x" * 10_000 + "/", '{"scheduler": {"Manual": null}}', 400),
        ("GET", "experiments/none/", None, 404),
        ("GET", "experiments/none/jobs/", None, 404),
        ("GET", "experiments/none/nextjob/", None, 404),
        ("GET", "experiments/there/jobs/none/", None, 404),
        ("GET", "experiments/there/jobs/?start=x", None, 400),
        ("GET", "experiments/there/jobs/?start=" + "9" * 30, None, 400),
        ("POST", "experiments/there/jobs/", '{"status": "ODD"}', 400),
        ("POST", "experiments/there/jobs/", '{"hyperparameters": [1]}', 400),
        ("PUT", "experiments/there/jobs/a%2Fb/", "{}", 404),
        ("POST", "experiments/there/", "{}", 405),
        ("GET", "nowhere/", None, 404),
    ],
)
def test_what_is_not_right_is_refused_in_words(call, served, method, path, body, status):
    served.add_experiment(ManualSearch("there"))
    answer = call(method, path, body)
    assert answer[0] == status, answer
    assert "Traceback" not in answer[1]
    assert [each.name for each in served.get_experiments()] == ["there"]
    assert list(served.get_experiment("there").all_jobs()) == []


def test_a_request_that_is_too_large_is_refused(call, served):
    served.add_experiment(ManualSearch("there"))
    body = json.dumps({"hyperparameters": {"x": "y" * MOST_BYTES}})
    try:
        assert call("POST", "experiments/there/jobs/", body)[0] == 413
    except urllib.error.URLError:
        pass  # it may hang up before all was sent
    assert list(served.get_experiment("there").all_jobs()) == []


def test_nan_crosses_the_wire(call, served):
    served.add_experiment(ManualSearch("there"))
    status, answer = call("POST", "experiments/there/jobs/", '{"results": {"x": NaN}}')
    assert status == 201
    assert json.loads(answer)["results"]["x"] != json.loads(answer)["results"]["x"]


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Server]:
    """A service that waits for little, and may open few files."""
    before = (
        "import resource\nfrom caikit_nb.experiments import connections, service\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "connections.HEAD_S = service.BODY_S = 0.2\n"
    )
    served = Server(f"sqlite:///{tmp_path / 'e.sqlite'}", before)
    yield served
    if served.process.returncode is None:
        served.stop()


def test_the_head_of_a_request_has_a_limit_of_time(hasty: Server) -> None:
    with hasty.slow_client() as client:
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")
    with hasty.slow_client(b"") as silent:
        assert silent.recv(100).startswith(b"HTTP/1.1 408 ")


def test_the_head_of_a_further_request_has_it_too(hasty: Server) -> None:
    whole = b"GET /experiments/ HTTP/1.1\r\nHost: x\r\n\r\n"
    with hasty.slow_client(whole) as client, client.makefile("rb") as answers:
        head = iter(answers.readline, b"\r\n")
        lengths = [int(line.split()[1]) for line in head if line.lower().startswith(b"content-l")]
        answers.read(lengths[0])
        client.sendall(b"GET /experi")
        assert answers.readline().startswith(b"HTTP/1.1 408 ")


def test_the_body_of_a_request_has_a_limit_of_time(hasty: Server) -> None:
    begun = b"POST /token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with hasty.slow_client(begun) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_slow_clients_keep_nobody_else_out(tmp_path: Path) -> None:
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    server = Server(f"sqlite:///{tmp_path / 'e.sqlite'}", few)
    with contextlib.ExitStack() as stack:
        stack.callback(server.process.kill)
        for _ in range(300):
            stack.enter_context(server.slow_client())
        assert all(server.answers() for _ in range(3))
        server.stop()
    assert server.told == ""


SLASHES = [
    ("PUT", "experiments/a%2Fb/"),
    ("GET", "experiments/a%2fjobs/"),
    ("DELETE", "experiments/kept%2Fjobs%2Fone/"),
]


@pytest.mark.parametrize(("method", "path"), SLASHES)
def test_a_name_with_a_slash_is_refused_with_the_reason(call, served, method, path):
    Job("one", served.add_experiment(ManualSearch("kept")), {}).put()
    status, answer = call(method, path, "{}")
    assert (status, "has a slash" in answer) == (400, True)
    assert served.get_experiment("kept").counts() == {"QUEUED": 1}


def test_an_address_where_nothing_is_says_so(call):
    assert call("GET", "elsewhere/") == (404, "there is nothing at this address")
