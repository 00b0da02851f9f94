"""What random numbers begin with in a job."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import Any

import numpy
import pytest

import caikit_nb
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.seeds import seed_of

METHODS = ["fork", "spawn", "forkserver"]
every_method = pytest.mark.parametrize("method", METHODS)


def draw() -> list[float]:
    return [random.random(), float(numpy.random.random())]


def run(executor: JobExecutor, method: str, **more: Any) -> Any:
    return executor.submit_function(JobOptions(start_method=method, **more), draw, (), {})


@every_method
def test_two_jobs_never_draw_the_same_numbers(executor: JobExecutor, method: str) -> None:
    futures = [run(executor, method) for _ in range(4)]
    drawn = [number for future in futures for number in future.result(120)]
    assert len(set(drawn)) == len(drawn)


@every_method
def test_a_given_seed_gives_the_same_numbers(executor: JobExecutor, method: str) -> None:
    first, second = (run(executor, method, seed=17).result(120) for _ in range(2))
    assert first == second
    assert first == [random.Random(17).random(), numpy.random.RandomState(17).random()]


def test_the_kernels_own_generators_are_left_alone(executor: JobExecutor) -> None:
    random.seed(3)
    numpy.random.seed(3)
    before = draw()
    random.seed(3)
    numpy.random.seed(3)
    run(executor, "fork").result(120)
    run(executor, "thread", seed=5).result(120)
    assert draw()[0] != random.Random(5).random()
    assert before[0] == random.Random(3).random()


NOTEBOOK = """
import random, numpy
from caikit_nb import JobExecutor
random.seed({seed})
numpy.random.seed({seed})
def draw(): return random.random(), float(numpy.random.random())
with JobExecutor(2, start_method="fork") as executor:
    print([executor.submit(draw).result() for _ in range(3)])
"""


def run_notebook(seed: int) -> str:
    command = [sys.executable, "-c", NOTEBOOK.format(seed=seed)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


def test_a_notebook_that_seeds_itself_gets_the_same_jobs_on_every_run() -> None:
    assert run_notebook(1) == run_notebook(1) != run_notebook(2)


def note_seed() -> int | None:
    job = caikit_nb.current_job()
    return None if job is None else job.seed


def test_the_seed_is_recorded(executor: JobExecutor) -> None:
    future = executor.submit(note_seed)
    assert future.result(120) == future.seed
    assert run(executor, "fork", seed=future.seed).seed == future.seed


def test_an_attempt_anew_has_the_same_seed(executor: JobExecutor) -> None:
    def draw_and_fail() -> None:
        print(random.random())
        raise ValueError

    options = JobOptions(start_method="fork", retries=1)
    future = executor.submit_function(options, draw_and_fail, (), {})
    assert future.wait(120)
    assert future.logs(attempt=1) == future.logs(attempt=2) != ""


def test_a_generator_object_is_the_users_own(executor: JobExecutor) -> None:
    generator = numpy.random.default_rng(0)
    futures = [
        executor.submit_function(JobOptions(start_method="fork"), child.random, (), {})
        for child in generator.spawn(2)
    ]
    first, second = (future.result(120) for future in futures)
    assert first != second


def test_ordinals_give_different_seeds() -> None:
    seeds = [seed_of(None, ordinal) for ordinal in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[:10] == [seed_of(None, ordinal) for ordinal in range(10)]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "x", True])
def test_a_wrong_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match="a seed must be a whole number from 0 to 4294967295"):
        seed_of(seed, 1)


def test_draws_follow_the_state_of_either_generator() -> None:
    states = []
    for mine, numpys in itertools.product((1, 2), (1, 2)):
        random.seed(mine)
        numpy.random.seed(numpys)
        states.append(seed_of(None, 1))
    assert len(set(states)) == 4
