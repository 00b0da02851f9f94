"""``caikit-nb experiments``, as a shell runs it."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from caikit_nb.experiments import ExperimentDB, ManualSearch
from caikit_nb.experiments.command_line import app

PRINT_RESULTS = (
    "import sys, json; print('training', sys.argv[1:]); print('--- RESULTS ---'); "
    "print(json.dumps({'args': sys.argv[1:]})); print('--- END RESULTS ---'); print('bye')"
)

ENDLESS = json.dumps(
    {
        "distributions": {"x": {"uniform": {"low": 0, "high": 1}}},
        "objective": "min",
        "resultName": "loss",
        "sampler": "BruteForceSampler",
    }
)


@pytest.fixture
def cli(sqlite_url):
    """Call the program; it must end with the given status."""

    def call(*arguments, code=0, text=None):
        result = CliRunner().invoke(
            app, ["experiments", *arguments], input=text, env={"CAIKIT_NB_EXPERIMENTS": sqlite_url}
        )
        assert result.exit_code == code, result.output
        return result.output

    return call


def jobs(cli, name="e"):
    return json.loads(cli("export", name))


def test_an_experiment_is_added_filled_listed_shown_and_removed(cli):
    assert cli("list").strip() == "none"
    cli("add", "e")
    job_id = cli("push", "e", "-p", "lr=0.1", "-p", 'kind="sgd"', "-r", "loss=2").strip()
    assert "Manual" in cli("list")
    assert job_id in cli("list", "e")
    assert json.loads(cli("list", "e", "--json"))[0]["hyperparameter.lr"] == 0.1
    assert json.loads(cli("show", "e", "--json"))["jobs"] == {"QUEUED": 1}
    shown = json.loads(cli("show", "e", job_id, "--json"))
    assert shown["hyperparameters"] == {"lr": 0.1, "kind": "sgd"}
    assert "QUEUED" in cli("show", "e", job_id)
    cli("rm", "e", job_id, code=1, text="n\n")
    assert len(jobs(cli)) == 1
    assert f"job {job_id} of e" in cli("rm", "e", job_id, text="y\n")
    assert jobs(cli) == []
    cli("rm", "e", "-f")
    assert "no experiment 'e'" in cli("show", "e", code=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "x", "psychic"], "a search is one of manual, random"),
        (["add", "x", "random", "lr"], "'lr' is not NAME=JSON"),
        (["add", "x", "random", "lr={"], "is not JSON"),
        (["add", "x", "random", 'lr={"uniform": {"low": 1}}'], "a uniform distribution has low"),
        (["add", "x", "grid", "lr=3"], "needs a list of values"),
        (["add", "x", "pbt", "{}"], "misses or can't read 'objective'"),
        (["add", "x", "optuna", ENDLESS], "sampler BruteForceSampler: "),
        (["add", "x", "manual", "a=1"], "has no parameters"),
        (["add", "..", "manual"], "an experiment's name must be"),
        (["add", "x", "-s", "ODD"], "status must be one of RUNNING, DONE"),
        (["add", "e"], "'e' already"),
        (["push", "e", "-p", "x=1", "-p", "x=2"], "'x' is given twice"),
        (["push", "e", "-s", "ODD"], "status must be one of QUEUED"),
        (["push", "none"], "no experiment 'none'"),
        (["rm", "e", "none"], "has no job 'none'"),
        (["run", "e", "echo", "100%"], "write %e, %j, %% or %h alone"),
        (["run", "--once", "e", "true"], "has no job to run"),
        (["export", "e", "-o", "/nowhere/x"], "can't be written"),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_is_wrong_is_one_line(cli, arguments, says):
    cli("add", "e")
    told = cli(*arguments, code=1)
    assert says in told
    assert told.count("\n") == 1
    assert told.startswith("caikit-nb: ")


def test_every_search_can_be_added(cli):
    cli("add", "r", "random", 'lr={"loguniform": {"low": 1e-4, "high": 1}}', 'k={"const": [1]}')
    cli("add", "g", "grid", "a=[1, 2]", 'b=["x"]')
    pbt = {"objective": "min", "qualityResultName": "l", "exploit": {"truncate": 0.2}}
    cli("add", "p", "pbt", json.dumps(pbt))
    optuna = {"distributions": {"x": {"uniform": {"low": 0, "high": 1}}}}
    cli("add", "o", "optuna", json.dumps(optuna | {"objective": "min", "resultName": "l"}))
    found = {row["name"]: row["search"] for row in json.loads(cli("list", "--json"))}
    assert found == {"r": "RandomSearch", "g": "Grid", "p": "PBT", "o": "Optuna"}
    stored = json.loads(cli("show", "o", "--json"))["params"]
    cli("add", "o2", "optuna", json.dumps(stored))


def test_people_read_one_line_for_each_value(cli, sqlite_url):
    cli("add", "e", "grid", "lr=[1]")
    db = ExperimentDB(sqlite_url)
    job = db.get_experiment("e").add_job(
        {"lr": None}, "DONE", {"loss": float("nan"), "ok": True}, source="a = 1\nb = 2\n"
    )
    db.close()
    lines = cli("show", "e", job.job_id).splitlines()
    assert 'hyperparameters  {"lr": null}' in lines
    assert 'results          {"loss": "nan", "ok": true}' in lines
    assert lines[-2:] == ["source           a = 1", "                 b = 2"]
    assert not [line for line in lines if line.startswith(("reason", "worker"))]
    assert cli("list", "e").splitlines()[1].split() == [job.job_id, "DONE", "null", "nan", "true"]
    assert 'params  {"lr": [1]}' in cli("show", "e").splitlines()


def test_run_hands_over_the_hyperparameters_and_reads_the_results(cli, capfd):
    cli("add", "e")
    params = ["-p", "learning_rate=0.1", "-p", "none=null", "-p", 'l=[1, "a"]', "-p", 's="t u"']
    job_id = cli("push", "e", *params).strip()
    told = cli("run", "e", sys.executable, "-c", PRINT_RESULTS, "%h", "--job=%j", "%e", "100%%")
    (job,) = jobs(cli)
    assert job["status"] == "DONE"
    assert job["results"]["args"] == [
        *("--learning-rate", "0.1", "--l", '[1, "a"]', "--s", "t u"),
        *(f"--job={job_id}", "e", "100%"),
    ]
    assert "training" in told
    assert "bye" in told


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; sys.exit(3)", "has ended with exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "has ended with signal 9"),
        ("print('nothing')", "it printed no results"),
        ("print('--- RESULTS ---\\n{')", "its results are not a JSON object"),
        ("print('--- RESULTS ---\\n[1]')", "its results are not a JSON object"),
    ],
)
def test_a_command_that_fails_crashes_its_job(cli, code, says):
    cli("add", "e")
    cli("push", "e")
    cli("push", "e")
    assert says in cli("run", "e", sys.executable, "-c", code, code=1)
    first, second = jobs(cli)
    assert (first["status"], second["status"]) == ("CRASHED", "QUEUED")
    assert says in first["reason"]
    cli("run", "--ignore-errors", "e", sys.executable, "-c", code)
    assert [job["status"] for job in jobs(cli)] == ["CRASHED", "CRASHED"]


NODE = """
const lr = Number(process.argv[process.argv.indexOf('--lr') + 1]);
console.log('training');
console.log('--- RESULTS ---');
console.log(JSON.stringify({ loss: (lr - 1) ** 2 }));
"""
SHELL = 'echo "--- RESULTS ---"; echo "{\\"said\\": \\"$0 $*\\"}"'


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_a_command_of_another_language_takes_part(cli):
    cli("add", "e", "grid", "lr=[1, 3]")
    cli("run", "e", "node", "-e", NODE, "--", "%h")
    assert [job["results"]["loss"] for job in jobs(cli)] == [0, 4]


def test_a_shell_takes_part(cli):
    cli("add", "e", "grid", "lr=[1]", 'kind=["a b"]')
    cli("run", "e", "sh", "-c", SHELL, "%h", "%j")
    (job,) = jobs(cli)
    assert job["results"] == {"said": f"--lr 1 --kind a b {job['id']}"}


def test_results_are_read_as_utf_8_in_any_locale(cli, sqlite_url):
    cli("add", "e")
    cli("push", "e")
    code = "from caikit_nb.program import main; main()"
    tell = r"""printf '%%s\n{"place": "Z\303\274rich"}\n' '--- RESULTS ---'"""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ascii_only["PYTHONIOENCODING"] = "utf-8"  # what the worker prints itself
    subprocess.run(
        [sys.executable, "-c", code, "experiments", "run", "e", "sh", "-c", tell],
        env=environment(sqlite_url) | ascii_only,
        check=True,
    )
    assert jobs(cli)[0]["results"] == {"place": "Zürich"}


def test_a_worker_that_is_told_to_end_gives_its_job_back(cli, sqlite_url, tmp_path):
    cli("add", "e")
    cli("push", "e", "-p", "x=1")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    wait = f"import os; os.write(os.open({str(fifo)!r}, os.O_WRONLY), b'x'); input()"
    code = "from caikit_nb.program import main; main()"
    worker = subprocess.Popen(
        [sys.executable, "-c", code, "experiments", "run", "e", sys.executable, "-c", wait],
        env=environment(sqlite_url),
        stdin=subprocess.PIPE,
    )
    with fifo.open("rb") as begun:
        assert begun.read(1) == b"x"
        worker.terminate()
        assert worker.wait(120) == 128 + signal.SIGTERM
        assert begun.read() == b"", "the command has ended, too"
    worker.stdin.close()
    (job,) = jobs(cli)
    assert (job["status"], job["reason"]) == ("QUEUED", "its worker was told to end")


def test_a_missing_command_crashes_its_job(cli):
    cli("add", "e")
    cli("push", "e")
    assert "can't be run: No such file" in cli("run", "e", "no-such-program", code=1)
    assert jobs(cli)[0]["status"] == "CRASHED"


def test_empty_results_may_be_allowed_and_once_runs_one(cli):
    cli("add", "e")
    cli("push", "e")
    cli("push", "e")
    cli("run", "--once", "--allow-empty-results", "e", "true")
    assert [job["status"] for job in jobs(cli)] == ["DONE", "QUEUED"]


def test_export_writes_csv_and_json_without_nan(cli, sqlite_url, tmp_path):
    cli("add", "e")
    db = ExperimentDB(sqlite_url)
    db.get_experiment("e").add_job({"lr": 1}, results={"loss": float("nan"), "n": [float("inf")]})
    db.close()

    def refuse(name):
        raise AssertionError(name)

    (job,) = json.loads(cli("export", "e"), parse_constant=refuse)
    assert job["results"] == {"loss": "nan", "n": ["inf"]}
    cli("export", "e", "--format", "csv", "-o", str(tmp_path / "out.csv"))
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert (row["status"], row["lr"]) == ("QUEUED", "1")


def test_a_token_is_printed_once(cli):
    assert len(cli("add-token", "me@example.org").strip()) > 40
    assert "an e-mail address is needed" in cli("add-token", "", code=1)


def run_program(url, head=""):
    code = f"{head}\nfrom caikit_nb.program import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "experiments", "list"],
        env=environment(url),
        capture_output=True,
        text=True,
    )


def environment(url):
    path = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, "CAIKIT_NB_EXPERIMENTS": url, "PYTHONPATH": path}


def test_the_program_runs(sqlite_url):
    told = run_program(sqlite_url)
    assert told.stdout.strip() == "none", told.stderr


def test_a_missing_package_is_named_with_its_extra(sqlite_url):
    told = run_program(sqlite_url, "import sys; sys.modules['typer'] = None")
    assert told.stderr.strip() == (
        'caikit-nb experiments needs typer: pip install "caikit_nb[experiments]"'
    )
    assert told.returncode == 1


@pytest.mark.parametrize("to_file", [False, True])
def test_half_a_character_is_exported_as_json_writes_it(sqlite_url, tmp_path, to_file):
    half = "cut \ud83d"
    with contextlib.closing(ExperimentDB(sqlite_url)) as db:
        db.add_experiment(ManualSearch("e")).add_job({"x": half})
    out = tmp_path / "out.json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from caikit_nb.program import main; main()"),
            *("experiments", "export", "e", *(("-o", str(out)) if to_file else ())),
        ],
        env=os.environ | {"CAIKIT_NB_EXPERIMENTS": sqlite_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (job,) = json.loads(out.read_text("utf-8") if to_file else done.stdout)
    assert job["hyperparameters"] == {"x": half}
