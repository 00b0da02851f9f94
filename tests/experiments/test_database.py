"""The database: experiments, names, migrations, and files that are not what they should be."""

import gc
import os
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import pytest

from caikit_nb.experiments import (
    Experiment,
    ExperimentDB,
    ManualSearch,
    PopulationBasedTraining,
    RandomSearch,
)
from caikit_nb.experiments.distributions import Uniform
from caikit_nb.experiments.errors import (
    DatabaseError,
    NoJobError,
    NotInDatabaseError,
    ResourceExistsError,
    ResourceMissingError,
)
from caikit_nb.experiments.pbt import Perturb, Truncate
from tests.waiting import until

BAD_NAMES = ["", " ", ".", "..", "a/b", "a\\b", "/", "x" * 10_000, "a\nb", "\x00", None, 3]


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_can_not_be_one_is_refused_in_one_line(db, name):
    for refuse in (ManualSearch, db.get_experiment):
        with pytest.raises(ValueError, match="an experiment's name must be") as raised:
            refuse(name)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 250


@pytest.mark.parametrize("name", ["a b", "ünï", "50%", "?&#", "-", "x" * 200, "'; --"])
def test_odd_but_fine_names_work(url, open_db, name):
    open_db(url).add_experiment(ManualSearch(name)).add_job({"x": 1})
    assert len(list(open_db(url).get_experiment(name).all_jobs())) == 1


def test_a_name_is_taken_once(url, open_db):
    db = open_db(url)
    db.add_experiment(ManualSearch("taken")).add_job()
    with pytest.raises(ResourceExistsError, match="'taken' already"):
        db.add_experiment(ManualSearch("taken"))
    assert len(list(db.get_experiment("taken").all_jobs())) == 1


def test_an_unknown_experiment_is_a_clear_error(db):
    with pytest.raises(ResourceMissingError, match="there is no experiment 'none'"):
        db.get_experiment("none")


def test_an_experiment_of_no_database_says_so():
    with pytest.raises(NotInDatabaseError, match="is in no database") as raised:
        ManualSearch("lone").add_job({})
    assert isinstance(raised.value, AssertionError)


def test_every_search_survives_a_round_trip(url, open_db):
    db = open_db(url)
    db.add_experiment(
        PopulationBasedTraining(
            "pbt",
            "min",
            "loss",
            Truncate(0.3),
            {"lr": Perturb(0.5, 2)},
            {"lr": Uniform(0, 1)},
            population_size=5,
            max_generations=7,
        )
    )
    pbt = open_db(url).get_experiment("pbt")
    pbt.push_updates()
    again = open_db(url).get_experiment("pbt")
    assert isinstance(again, PopulationBasedTraining)
    assert (again.max_generations, again.population_size) == (7, 5)
    assert (again.exploit, again.explore) == (Truncate(0.3), {"lr": Perturb(0.5, 2)})
    assert again.initial_distributions == {"lr": Uniform(0, 1)}
    assert (again.objective, again.result_name) == ("min", "loss")


def test_experiments_are_listed_by_name(db):
    for name in "bca":
        db.add_experiment(ManualSearch(name))
    assert [experiment.name for experiment in db.get_experiments()] == ["a", "b", "c"]


def test_an_experiment_of_an_unknown_search_spoils_no_list(db, file, caplog):
    db.add_experiment(ManualSearch("good"))
    db.add_experiment(ManualSearch("odd"))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE caikit_experiments SET search='Psychic' WHERE name='odd'")
    connection.close()
    assert [experiment.name for experiment in db.get_experiments()] == ["good"]
    assert "Psychic" in caplog.text
    with pytest.raises(ValueError, match=r"a search is one of Manual, RandomSearch.*'Psychic'"):
        db.get_experiment("odd")


def test_push_updates_keeps_what_others_have_changed(db):
    db.add_experiment(RandomSearch("random", {"x": Uniform(0, 1)}))
    mine, other = db.get_experiment("random"), db.get_experiment("random")
    other.status = "DONE"
    other.push_updates()
    mine.distributions["x"] = Uniform(0, 5)
    mine.push_updates()
    stored = db.get_experiment("random")
    assert (stored.status, stored.distributions["x"]) == ("DONE", Uniform(0, 5))


def test_a_done_experiment_gives_out_no_jobs_until_it_is_running_again(db):
    experiment = db.add_experiment(ManualSearch("paused"))
    experiment.add_job({"x": 1})
    experiment.status = "DONE"
    experiment.push_updates()
    with pytest.raises(NoJobError, match="it is DONE"):
        experiment.next_job()
    experiment.status = "RUNNING"
    experiment.push_updates()
    assert experiment.next_job().hyperparameters == {"x": 1}


def test_a_deleted_experiment_takes_its_jobs_along(url, open_db):
    db = open_db(url)
    experiment = db.add_experiment(ManualSearch("gone"))
    job = experiment.add_job({"x": 1})
    job.report(0.5, 1)
    experiment.delete()
    with pytest.raises(ResourceMissingError):
        experiment.delete()
    experiment.delete(ensure=False)
    for touch in (experiment.next_job, experiment.add_job, experiment.refresh):
        with pytest.raises(ResourceMissingError, match="no experiment 'gone'"):
            touch()
    assert list(db.add_experiment(ManualSearch("gone")).all_jobs()) == []


def test_a_job_of_another_experiment_is_not_found(db):
    one, two = db.add_experiment(ManualSearch("one")), db.add_experiment(ManualSearch("two"))
    job = one.add_job({"x": 1})
    with pytest.raises(ResourceMissingError, match="experiment 'two' has no job"):
        two.get_job(job.job_id)


def test_a_newer_database_is_a_clear_error(db, file, sqlite_url):
    db.add_experiment(ManualSearch("kept"))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE caikit_schema SET version = 99")
    connection.close()
    with pytest.raises(DatabaseError, match=r"made by a newer caikit_nb \(version 99"):
        list(ExperimentDB(sqlite_url).get_experiments())


def test_processes_that_open_a_new_database_at_once_agree(url, tmp_path):
    code = (
        "import sys; from caikit_nb.experiments import ExperimentDB, ManualSearch\n"
        "ExperimentDB(sys.argv[1]).add_experiment(ManualSearch(sys.argv[2]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, url, f"e{n}"], env=environment)
        for n in range(4)
    ]
    assert [process.wait() for process in started] == [0] * 4
    db = ExperimentDB(url)
    assert len(list(db.get_experiments())) == 4
    db.close()


def test_the_address_comes_from_the_environment_else_the_user_s_data(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("CAIKIT_NB_EXPERIMENTS", raising=False)
    db = ExperimentDB()
    db.add_experiment(ManualSearch("here"))
    db.close()
    assert (tmp_path / "data" / "caikit_nb" / "experiments.sqlite").is_file()
    monkeypatch.setenv("CAIKIT_NB_EXPERIMENTS", f"sqlite:///{tmp_path / 'other'}")
    assert ExperimentDB().url.endswith("other")


@pytest.mark.parametrize("url", ["", "no address", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="sqlite:///FILE"):
        ExperimentDB(url)


@pytest.mark.parametrize(
    "options", [{"lease_s": 0}, {"lease_s": float("inf")}, {"max_deliveries": 0}]
)
def test_wrong_lease_rules_are_refused(sqlite_url, options):
    with pytest.raises(ValueError, match=r"lease_s must be|max_deliveries must be"):
        ExperimentDB(sqlite_url, **options)


def test_a_password_is_not_shown():
    db = ExperimentDB("postgresql://me:secret@/none?host=/nowhere")
    assert "secret" not in repr(db)
    with pytest.raises(DatabaseError) as raised:
        list(db.get_experiments())
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_database_is_a_clear_error_and_stays(file, sqlite_url):
    file.write_text("my diary\n" * 1000)
    with pytest.raises(DatabaseError, match="it is not a database"):
        ExperimentDB(sqlite_url).add_experiment(ManualSearch("x"))
    assert file.read_text().startswith("my diary")


def test_a_truncated_file_is_a_clear_error(db, file, sqlite_url):
    experiment = db.add_experiment(ManualSearch("big"))
    for n in range(50):
        experiment.add_job({"x": "y" * 1000, "n": n})
    db.close()
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    cut = ExperimentDB(sqlite_url)
    with pytest.raises(DatabaseError, match="the file is damaged"):
        list(cut.get_experiment("big").all_jobs())
    cut.close()


def test_a_locked_file_is_a_clear_error(db, file, sqlite_url):
    db.add_experiment(ManualSearch("held"))
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    waiting = ExperimentDB(sqlite_url)
    waiting._database._busy_s = 0.1
    with pytest.raises(DatabaseError, match="another program holds it locked"):
        waiting.get_experiment("held").add_job({})
    locker.execute("ROLLBACK")
    locker.close()
    waiting.get_experiment("held").add_job({})
    waiting.close()


def test_waiting_for_a_locked_file_can_be_interrupted(db, file, sqlite_url, open_db):
    db.add_experiment(ManualSearch("held"))
    patient = open_db(sqlite_url)
    patient._database._busy_s = 3600
    experiment = patient.get_experiment("held")
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")

    def wait_and_be_interrupted() -> None:
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        experiment.add_job({})

    with pytest.raises(KeyboardInterrupt):
        wait_and_be_interrupted()
    locker.execute("ROLLBACK")
    locker.close()
    experiment.add_job({})
    assert experiment.counts() == {"QUEUED": 1}


def test_what_is_damaged_within_a_row_is_a_clear_error_and_spoils_no_list(db, file):
    good, bad = db.add_experiment(ManualSearch("good")), db.add_experiment(ManualSearch("bad"))
    job_id = bad.add_job().job_id
    db.add_experiment(RandomSearch("worse", {"x": Uniform(0, 1)}))
    good.add_job({"x": 1})
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE caikit_experiment_jobs SET results='{' WHERE id=?", [job_id])
        connection.execute("UPDATE caikit_experiments SET params='{' WHERE name='worse'")
    connection.close()
    with pytest.raises(DatabaseError, match=f"what is stored of job '{job_id}' is damaged"):
        list(bad.all_jobs())
    with pytest.raises(ValueError, match="experiment 'worse' is stored with parameters that"):
        db.get_experiment("worse")
    assert [each.name for each in db.get_experiments()] == ["bad", "good"]
    assert len(list(good.all_jobs())) == 1


FILL = """
import resource, sys
from caikit_nb.experiments import ExperimentDB
experiment = ExperimentDB(sys.argv[1]).get_experiment("full")
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
stored = 0
try:
    for _ in range(1000):
        experiment.add_job({"x": "y" * 1000})
        stored += 1
except Exception as error:
    print(stored, type(error).__name__, error)
"""


def test_a_disk_that_fills_up_while_jobs_are_added_keeps_each_that_was_stored(db, sqlite_url):
    experiment = db.add_experiment(ManualSearch("full"))
    experiment.add_job({"x": "before"})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    told = subprocess.run(
        [sys.executable, "-c", FILL, sqlite_url], env=environment, capture_output=True, text=True
    )
    count, kind, words = told.stdout.split(maxsplit=2)
    assert kind == "DatabaseError"
    assert "the disk is full or gave an error" in words
    jobs = list(experiment.all_jobs())
    assert len(jobs) == 1 + int(count)
    assert jobs[0].hyperparameters == {"x": "before"}
    experiment.add_job({"x": "after"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("of_file", "of_directory", "may_read"),
    [(0o444, 0o777, True), (0o666, 0o555, False), (0o000, 0o777, False)],
)
def test_who_may_not_write_a_file_is_told_so(of_file, of_directory, may_read):
    # Another user can't enter pytest's directories.
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        directory = Path(home) / "d"
        directory.mkdir()
        db = ExperimentDB(f"sqlite:///{directory / 'e.sqlite'}")
        db.add_experiment(ManualSearch("kept")).add_job({"x": 1})
        db.close()
        (directory / "e.sqlite").chmod(of_file)
        directory.chmod(of_directory)
        told = as_nobody(lambda: len(list(db.get_experiment("kept").all_jobs())))
        assert told == "1" if may_read else re.search("make the file .* writable|be opened", told)
        told = as_nobody(lambda: db.get_experiment("kept").add_job({}))
        assert re.search("make the file and its directory writable|it can't be opened", told)
        assert len(list(db.get_experiment("kept").all_jobs())) == 1
        db.close()


def as_nobody(do):
    """What it gives back, or the words of its error, in a process of a user without rights."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(theirs, str(do()).encode())
        except Exception as error:
            os.write(theirs, str(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with open(ours, "rb") as told:
        return told.read().decode()


def test_a_read_only_database_can_be_read_but_not_written(db, file, tmp_path):
    db.add_experiment(ManualSearch("kept")).add_job({"x": 1})
    db.close()
    read_only = ExperimentDB(f"sqlite:///file:{file}?mode=ro&uri=true")
    experiment = read_only.get_experiment("kept")
    assert [job.hyperparameters for job in experiment.all_jobs()] == [{"x": 1}]
    with pytest.raises(DatabaseError, match="it is read-only"):
        experiment.add_job({"x": 2})
    assert len(list(experiment.all_jobs())) == 1
    read_only.close()


def test_a_place_where_no_file_can_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError) as raised:
        list(ExperimentDB(f"sqlite:///{tmp_path / 'file' / 'below.sqlite'}").get_experiments())
    assert "\n" not in str(raised.value)


def test_a_full_disk_loses_nothing_that_was_there(tmp_path):
    db = ExperimentDB(f"sqlite:///{tmp_path / 'small.sqlite'}")
    experiment = db.add_experiment(ManualSearch("full"))
    experiment.add_job({"x": 1})
    db.close()
    # The same error as of a disk that is full, where no small disk can be mounted.
    with db._database.reading() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
    db.close()
    from sqlalchemy import event

    experiment = db.get_experiment("full")
    engine = db._database._engine

    @event.listens_for(engine, "begin")
    def limit(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with pytest.raises(DatabaseError, match="the disk is full; nothing was written"):
        experiment.add_job({"x": "y" * 100_000})
    assert [job.hyperparameters for job in experiment.all_jobs()] == [{"x": 1}]
    event.remove(engine, "begin", limit)
    db.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_really_full_disk_loses_nothing_that_was_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        db = ExperimentDB(f"sqlite:///{disk / 'small.sqlite'}")
        experiment = db.add_experiment(ManualSearch("full"))
        experiment.add_job({"x": 1})
        with pytest.raises(DatabaseError, match="disk"):
            experiment.add_job({"x": "y" * 2_000_000})
        assert [job.hyperparameters for job in experiment.all_jobs()] == [{"x": 1}]
        experiment.add_job({"x": 2})
        db.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_forked_process_has_connections_of_its_own(url, open_db):
    experiment = open_db(url).add_experiment(ManualSearch("forked"))
    experiment.add_job({"x": 1})
    pid = os.fork()
    if pid == 0:
        try:
            experiment.add_job({"x": 2})
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(experiment.all_jobs())) == 2


def test_a_job_that_is_dropped_goes_back_to_the_queue(sqlite_url, open_db):
    db = open_db(sqlite_url, lease_s=0.3)
    experiment = db.add_experiment(ManualSearch("dropped"))
    experiment.add_job({"x": 1})
    experiment.next_job()
    until(lambda: experiment.counts() == {"QUEUED": 1})


def test_waiting_for_a_job_ends_when_one_comes_back(sqlite_url, open_db):
    db = open_db(sqlite_url, lease_s=0.3)
    experiment = db.add_experiment(ManualSearch("waited"))
    job_id = experiment.add_job({"x": 1}).job_id
    experiment.next_job()
    assert experiment.next_job(wait_s=20).job_id == job_id


def test_a_missing_package_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import caikit_nb.experiments\n"
        "try: caikit_nb.experiments.ExperimentDB\n"
        "except ImportError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert 'pip install "caikit_nb[experiments]"' in told.stdout


def test_the_classes_have_the_names_of_the_seed():
    from caikit_nb import experiments

    for name in experiments.__all__:
        assert getattr(experiments, name) is not None
    assert issubclass(experiments.ManualSearch, Experiment)


def test_experiments_and_jobs_can_be_sent_to_another_process(url: str) -> None:
    experiment = ExperimentDB(url, max_deliveries=7).add_experiment(ManualSearch("x"))
    job = experiment.add_job({"lr": 0.1}, results={"loss": 0.5})
    sent = pickle.loads(pickle.dumps(job))
    assert (sent.hyperparameters, sent.results) == ({"lr": 0.1}, {"loss": 0.5})
    sent.results["loss"] = 0.25
    sent.put()
    assert experiment.get_job(job.job_id).results == {"loss": 0.25}
    assert sent.experiment.next_job().job_id == job.job_id
    assert sent.experiment._storage._rules.max_deliveries == 7


def test_a_new_file_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "experiments.sqlite"
    ExperimentDB(f"sqlite:///{path}").add_experiment(ManualSearch("x"))
    files = [*path.parent.iterdir(), path.parent]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_who_may_read_a_file_that_was_there_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "ours.sqlite"
    path.touch()
    path.chmod(0o664)
    ExperimentDB(f"sqlite:///{path}").add_experiment(ManualSearch("x"))
    assert path.stat().st_mode & 0o777 == 0o664


def test_who_is_at_work_while_a_database_is_closed_leaves_no_connection_open(url, open_db):
    db = open_db(url)
    db.add_experiment(ManualSearch("closing"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with db._database.reading():
            db.close()
        gc.collect()
    assert not [str(warning.message) for warning in told]
    assert db.get_experiment("closing").name == "closing"
