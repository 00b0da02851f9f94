"""The next hyperparameters out of one database, for eight workers at once."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.postgresql import create_database, running_server

Call = Callable[[], float]
Draw = Callable[[], object]

WORKERS = 8
DRAWS = 25
NAME = "benchmark"

_draw: Draw | None = None
_start: Any = None


def _begin(make: Callable[[str], Draw], url: str, start: Any) -> None:
    """In a worker: open the database and draw once."""
    global _draw, _start
    _draw, _start = make(url), start
    _draw()


def _draw_all(_: int) -> tuple[float, float]:
    assert _draw is not None
    _start.wait(120)  # so that each worker takes one of these tasks
    begin = time.monotonic()
    for _ in range(DRAWS):
        _draw()
    return begin, time.monotonic()


@contextmanager
def _workers(make: Callable[[str], Draw], url: str) -> Iterator[Call]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(WORKERS, _begin, (make, url, context.Barrier(WORKERS))) as pool:

        def call() -> float:
            """Seconds a draw."""
            times = pool.map(_draw_all, range(WORKERS), chunksize=1)
            begin, end = min(t[0] for t in times), max(t[1] for t in times)
            return (end - begin) / (WORKERS * DRAWS)

        yield call


def _our_draw(url: str) -> Draw:
    from caikit_nb.experiments import ExperimentDB

    return ExperimentDB(url).get_experiment(NAME).next_job


def _optuna_draw(url: str) -> Draw:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name=NAME, storage=_optuna_url(url), sampler=optuna.samplers.RandomSampler()
    )
    space = {"rate": optuna.distributions.FloatDistribution(0.0, 1.0)}
    return lambda: study.ask(space)


def _optuna_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def _ours(url: str) -> Iterator[Call]:
    from caikit_nb.experiments import ExperimentDB, RandomSearch
    from caikit_nb.experiments.distributions import Uniform

    with closing(ExperimentDB(url)) as db:
        db.add_experiment(RandomSearch(NAME, {"rate": Uniform(0.0, 1.0)}))
    with _workers(_our_draw, url) as call:
        yield call


@contextmanager
def _optuna(url: str) -> Iterator[Call]:
    import optuna

    optuna.create_study(study_name=NAME, storage=_optuna_url(url))
    with _workers(_optuna_draw, url) as call:
        yield call


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home:
        yield f"sqlite:///{home}/database.sqlite"


@contextmanager
def _postgresql() -> Iterator[str]:
    with running_server() as socket:
        yield create_database(socket, NAME)


@contextmanager
def sqlite_ours() -> Iterator[Call]:
    with _sqlite() as url, _ours(url) as call:
        yield call


@contextmanager
def sqlite_optuna() -> Iterator[Call]:
    with _sqlite() as url, _optuna(url) as call:
        yield call


@contextmanager
def postgresql_ours() -> Iterator[Call]:
    with _postgresql() as url, _ours(url) as call:
        yield call


@contextmanager
def postgresql_optuna() -> Iterator[Call]:
    with _postgresql() as url, _optuna(url) as call:
        yield call
