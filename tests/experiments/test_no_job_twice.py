"""No job is given out twice, and none is lost, whatever becomes of its workers."""

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from caikit_nb.experiments import ExperimentDB, ManualSearch, RandomSearch, heartbeat
from caikit_nb.experiments.distributions import Uniform
from caikit_nb.experiments.errors import NoJobError, UnsafeUpdateError
from caikit_nb.experiments.schema import jobs
from tests.waiting import until

WORKERS = 16
LEASE_S = 2.0
HOUR_S = 3600.0
NAME = "squares"

fork = multiprocessing.get_context("fork")


def work(url: str, log: Path) -> None:
    """Square numbers until none is left; write down each job that was stored as DONE."""
    experiment = ExperimentDB(url, lease_s=LEASE_S, max_deliveries=1000).get_experiment(NAME)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        try:
            with experiment.next_job(wait_s=60) as job:
                job.results["square"] = job.hyperparameters["x"] ** 2
        except NoJobError:
            return
        except UnsafeUpdateError:
            continue  # the machine was so slow that the lease ran out
        os.write(out, f"{job.job_id}\n".encode())


class Workers:
    """Processes, some of which are killed and replaced."""

    def __init__(self, url: str, log: Path) -> None:
        self._arguments = (url, log)
        self.running = [self._start() for _ in range(WORKERS)]

    def _start(self) -> multiprocessing.Process:
        process = fork.Process(target=work, args=self._arguments)
        process.start()
        return process

    def kill_one(self) -> None:
        at = random.randrange(WORKERS)
        os.kill(self.running[at].pid, signal.SIGKILL)
        self.running[at].join()
        self.running[at] = self._start()

    def kill_while_jobs_are_queued(self, kills: int, queued: Callable[[], int]) -> int:
        """How many were killed."""
        done = 0
        while done < kills and queued() > 0:
            self.kill_one()
            done += 1
        return done

    def join(self) -> None:
        for process in self.running:
            process.join()
            assert process.exitcode == 0


def drain_with_kills(url: str, log: Path, jobs: int, kills: int) -> int:
    db = ExperimentDB(url, lease_s=LEASE_S, max_deliveries=1000)
    experiment = db.add_experiment(ManualSearch(NAME))
    for x in range(jobs):
        experiment.add_job({"x": x})
    workers = Workers(url, log)
    killed = workers.kill_while_jobs_are_queued(kills, lambda: experiment.counts().get("QUEUED", 0))
    workers.join()
    stored = list(experiment.all_jobs())
    assert Counter(job.status for job in stored) == {"DONE": jobs}
    assert all(job.results == {"square": job.hyperparameters["x"] ** 2} for job in stored)
    finished = Counter(log.read_text().split())
    assert set(finished) <= {job.job_id for job in stored}
    assert max(finished.values()) == 1
    assert len(finished) >= jobs - killed
    db.close()
    return killed


def test_every_job_is_done_once_though_workers_are_killed(url: str, tmp_path: Path) -> None:
    assert drain_with_kills(url, tmp_path / "log", jobs=150, kills=8) > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_five_thousand_jobs_are_done_once_though_workers_are_killed(
    url: str, tmp_path: Path
) -> None:
    assert drain_with_kills(url, tmp_path / "log", jobs=5000, kills=150) > 50


def claim_once(url: str, job_id: str, start: object, won: object) -> None:
    job = ExperimentDB(url).get_experiment(NAME).get_job(job_id)
    start.wait()
    try:
        job.try_run()
    except UnsafeUpdateError:
        assert job.status == "QUEUED"
    else:
        won.put(os.getpid())


def test_of_several_claims_at_once_exactly_one_succeeds(url: str) -> None:
    job = ExperimentDB(url).add_experiment(ManualSearch(NAME)).add_job({"x": 1})
    start, won = fork.Barrier(8), fork.Queue()
    claimers = [
        fork.Process(target=claim_once, args=(url, job.job_id, start, won)) for _ in range(8)
    ]
    for process in claimers:
        process.start()
    for process in claimers:
        process.join()
        assert process.exitcode == 0
    winner = won.get(timeout=180)
    assert winner in {process.pid for process in claimers}
    assert won.empty()
    won.close()


def die_with_a_job(url: str, **options: object) -> None:
    experiment = ExperimentDB(url, **options).get_experiment(NAME)
    job = experiment.next_job()
    os.kill(os.getpid(), signal.SIGKILL)
    del job


def run_and_die(url: str, **options: object) -> None:
    process = fork.Process(target=die_with_a_job, args=(url,), kwargs=options)
    process.start()
    process.join()


def test_the_job_of_a_dead_worker_is_queued_again_with_the_reason(url: str) -> None:
    experiment = ExperimentDB(url).add_experiment(ManualSearch(NAME))
    job_id = experiment.add_job({"x": 1}).job_id
    run_and_die(url, lease_s=0.5)
    assert experiment.get_job(job_id).status in ("RUNNING", "QUEUED")
    until(lambda: experiment.get_job(job_id).status == "QUEUED")
    job = experiment.get_job(job_id)
    assert "no sign of life; delivery 1 of 3" in job.reason
    with experiment.next_job() as again:
        assert again.job_id == job_id
    assert (again.status, again.reason, again.deliveries) == ("DONE", "", 2)


def test_a_job_that_kills_its_workers_is_crashed_at_last(url: str) -> None:
    options = {"lease_s": 0.3, "max_deliveries": 2}
    experiment = ExperimentDB(url, **options).add_experiment(ManualSearch(NAME))
    job_id = experiment.add_job({"x": 1}).job_id
    run_and_die(url, **options)
    until(lambda: experiment.get_job(job_id).status == "QUEUED")
    run_and_die(url, **options)
    until(lambda: experiment.get_job(job_id).status == "CRASHED")
    job = experiment.get_job(job_id)
    assert "delivery 2 of 2" in job.reason
    assert job.ended_at is not None


def test_a_living_worker_keeps_its_job_past_the_lease(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_BEATS_PER_LEASE", 360_000)
    db = ExperimentDB(url, lease_s=HOUR_S)
    clock, passed_s = db.database.now, [0.0]
    monkeypatch.setattr(db.database, "now", lambda tx: clock(tx) + passed_s[0])

    def left_s() -> float:
        with db.database.reading() as tx:
            lease_until = tx.scalars(select(jobs.c.lease_until)).one()
            return float(lease_until) - db.database.now(tx)

    experiment = db.add_experiment(ManualSearch(NAME))
    experiment.add_job({"x": 1})
    with experiment.next_job() as job:
        for _ in range(3):
            passed_s[0] += HOUR_S / 2
            until(lambda: left_s() > HOUR_S * 3 / 4)
            assert experiment.get_job(job.job_id).status == "RUNNING"
        assert experiment.counts() == {"RUNNING": 1}
    assert experiment.get_job(job.job_id).status == "DONE"
    db.close()


def test_who_lost_its_lease_can_not_overwrite_the_next_worker(url: str) -> None:
    db = ExperimentDB(url, lease_s=0.3)
    experiment = db.add_experiment(ManualSearch(NAME))
    experiment.add_job({"x": 1})
    late = experiment.next_job()
    db._heartbeat.close()  # as if this process stood still
    until(lambda: experiment.get_job(late.job_id).status == "QUEUED")
    with ExperimentDB(url).get_experiment(NAME).next_job() as job:
        job.results["by"] = "the second"
    late.status, late.results["by"] = "DONE", "the first"
    with pytest.raises(UnsafeUpdateError):
        late.put()
    assert experiment.get_job(job.job_id).results == {"by": "the second"}
    db.close()


def draw(url: str, drawn: object) -> None:
    experiment = ExperimentDB(url).get_experiment(NAME)
    drawn.put([experiment.next_job().job_id for _ in range(5)])


def test_a_random_search_gives_each_worker_jobs_of_its_own(url: str) -> None:
    ExperimentDB(url).add_experiment(RandomSearch(NAME, {"x": Uniform(0, 1)}))
    drawn = fork.Queue()
    drawers = [fork.Process(target=draw, args=(url, drawn)) for _ in range(6)]
    for process in drawers:
        process.start()
    found = [job_id for _ in drawers for job_id in drawn.get(timeout=180)]
    for process in drawers:
        process.join()
    assert len(set(found)) == 30
    drawn.close()
