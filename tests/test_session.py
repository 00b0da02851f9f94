"""The public names, as a plain script uses them."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caikit_nb
from caikit_nb import session

METHODS = ["fork", "spawn", "forkserver", "thread"]


@pytest.fixture(autouse=True)
def fresh_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    monkeypatch.setattr(session, "_current", None)
    yield
    session.current_session().close()


@caikit_nb.background(start_method="spawn")
def decorated(number: int, *, extra: int = 0) -> int:
    """Add them up."""
    return number + extra


def test_submit_returns_a_real_future() -> None:
    future = caikit_nb.submit(abs, -3)
    assert isinstance(future, concurrent.futures.Future)
    assert isinstance(future, caikit_nb.JobFuture)
    assert future.result(120) == 3


def test_submit_passes_every_argument_on() -> None:
    def both(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    future = caikit_nb.submit(both, 1, fn=2, name="x", self=3)
    assert future.result(120) == ((1,), {"fn": 2, "name": "x", "self": 3})


@pytest.mark.parametrize("method", METHODS)
def test_options_choose_how_a_job_runs(method: str) -> None:
    options = caikit_nb.options(start_method=method, name="train", retain="2h", timeout="1h")
    future = options.submit(os.getpid)
    assert (future.result(120) == os.getpid()) is (method == "thread")
    assert (future.name, future.start_method) == ("train", method)


def test_a_decorated_function_is_a_job() -> None:
    future = decorated(1, extra=2)
    assert future.start_method == "spawn"
    assert future.result(120) == 3
    assert decorated.__doc__ == "Add them up."


def test_a_plain_decorator_needs_no_options() -> None:
    @caikit_nb.background
    def train() -> int:
        return 7

    assert train().result(120) == 7


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"retian": "1h"}, TypeError, r"'retian'.*retain"),
        ({"retain": ""}, ValueError, "not a duration"),
        ({"timeout": "soon"}, ValueError, "not a duration"),
        ({"start_method": "vfork"}, ValueError, "not a start method"),
    ],
)
@pytest.mark.parametrize("make", [caikit_nb.options, caikit_nb.background])
def test_a_wrong_option_is_refused_at_once(
    make: Any, values: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make(**values)


def test_jobs_is_a_mapping_by_name_and_id() -> None:
    future = caikit_nb.options(name="train").submit(int)
    jobs: Any = caikit_nb.jobs
    assert jobs["train"] is jobs[future.id] is future
    assert (list(jobs), len(jobs), "train" in jobs, "x" in jobs) == (["train"], 1, True, False)
    assert "train" in repr(jobs)
    assert future.wait(120)


SCRIPT = """
import os, sys
import caikit_nb
from pathlib import Path

def hang(path):
    with open(path) as file:
        return file.read()

if __name__ == "__main__":
    future = caikit_nb.options(start_method=sys.argv[1]).submit(hang, sys.argv[2])
    print(caikit_nb.submit(abs, -3).result(120), flush=True)
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_script_ends_at_its_end_and_leaves_nothing(method: str, tmp_path: Path) -> None:
    script, held = tmp_path / "script.py", tmp_path / "held"
    script.write_text(SCRIPT)
    os.mkfifo(held)
    done = subprocess.run(
        [sys.executable, str(script), method, str(held)],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "CAIKIT_NB_DIR": str(tmp_path / "own")},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


FAILING_SCRIPT = """
import sys
import traceback
import warnings
import caikit_nb

def inner(x):
    warnings.warn("seen here")
    return 1 / x  # here it breaks

class Model:
    def fit(self):
        return [inner(n) for n in (1, 0)]

if __name__ == "__main__":
    future = caikit_nb.options(start_method=sys.argv[1]).submit(Model().fit)
    traceback.print_exception(future.exception(120), file=sys.stdout)
    print(future.logs())
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_traceback_shows_the_lines_of_a_script(method: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FAILING_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), method],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "CAIKIT_NB_DIR": str(tmp_path / "own")},
    )
    assert f'File "{script}", line 9, in inner\n    return 1 / x  # here it breaks' in done.stdout
    assert f'File "{script}", line 13, in fit\n' in done.stdout
    assert f"{script}:8: UserWarning: seen here" in done.stdout + done.stderr


PROGRAM_OF_EXPERIMENT = """
import caikit_nb
from caikit_nb.experiments import ExperimentDB, GridSearch

def train(a):
    return {"loss": a}

if __name__ == "__main__":
    grid = ExperimentDB().add_experiment(GridSearch("grid", {"a": [1, 2]}))
    assert grid.run(train).wait(120)
    print(sorted(job.results["loss"] for job in grid.all_jobs()))
"""


def test_a_program_that_has_imported_the_package_alone_runs_an_experiment(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM_OF_EXPERIMENT)
    places = {
        "CAIKIT_NB_DIR": str(tmp_path / "own"),
        "CAIKIT_NB_EXPERIMENTS": f"sqlite:///{tmp_path}/experiments.db",
    }
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **places},
    )
    assert done.stdout == "[1, 2]\n", done.stderr


def test_the_mapping_of_jobs_is_there_before_the_first_one(tmp_path: Path) -> None:
    program = "import caikit_nb; print(len(caikit_nb.jobs), list(caikit_nb.jobs))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "CAIKIT_NB_DIR": str(tmp_path / "own")},
    )
    assert done.stdout == "0 []\n", done.stderr
