"""Every kind of tqdm bar draws on the job's card, and none complains."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import tqdm.auto
import tqdm.notebook

from caikit_nb.jobs.executor import JobExecutor
from tests.fifo import Fifo
from tests.jobs.bar_jobs import every_method, facts, run, start
from tests.waiting import until

kept_stream = sys.stderr


def strictly(loop: Any) -> Any:
    """Run it with every warning an error."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return loop()


def of_the_notebook() -> None:
    from tqdm.notebook import tqdm, trange

    strictly(lambda: list(tqdm(range(3), desc="imported there")))
    strictly(lambda: list(trange(2, desc="range", colour="green")))


def imported_before() -> None:
    with tqdm.notebook.tqdm(total=4, desc="by hand", display=True) as bar:
        bar.update(3)
        bar.set_postfix(loss=0.5)
        bar.reset(total=5)
        bar.update(2)


def automatic() -> None:
    from tqdm.auto import tqdm, trange

    def loop() -> None:
        for _ in trange(2, desc="outer"):
            for _ in tqdm(range(3), desc="inner", leave=False):
                tqdm.write("a line")

    strictly(loop)


def of_coroutines() -> None:
    from tqdm.auto import tqdm

    async def numbers() -> Any:
        for number in range(3):
            yield number

    async def loop() -> list[int]:
        return [number async for number in tqdm(numbers(), desc="async", total=3)]

    assert asyncio.run(loop()) == [0, 1, 2]


def of_pandas() -> None:
    import pandas as pd
    from tqdm.auto import tqdm

    tqdm.pandas(desc="applied")
    pd.Series(range(4)).progress_apply(lambda value: value + 1)


def of_pools() -> list[str]:
    from tqdm.contrib.concurrent import thread_map

    return list(thread_map(str, range(4), desc="mapped", max_workers=2))


def in_threads() -> None:
    def loop() -> None:
        list(tqdm.auto.tqdm(range(3), desc="in a thread"))

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()


def in_files(path: str) -> str:
    with open(path, "w") as file:
        list(tqdm.auto.tqdm(range(3), desc="named", file=file))
        list(tqdm.tqdm(range(3), "by place", None, True, file))
        list(tqdm.notebook.tqdm(range(3), desc="notebook", file=file))
    return Path(path).read_text()


def in_streams() -> None:
    list(tqdm.tqdm(range(1), desc="kept", file=kept_stream))
    list(tqdm.tqdm(range(2), "by place", None, True, sys.stderr))
    list(tqdm.tqdm(range(3), desc="original", file=sys.__stderr__))


def only_for_people() -> None:
    list(tqdm.tqdm(range(3), desc="for people", disable=None))


def in_processes_of_the_job() -> None:
    pid = os.fork()
    if not pid:
        list(tqdm.tqdm(range(3), desc="in a child"))
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(pid, 0)


def given_up() -> None:
    bar = tqdm.tqdm(total=3, desc="given up")
    bar.update(1)
    del bar


@every_method
def test_bars_of_the_notebook_are_no_widgets(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, of_the_notebook)
    assert facts(future)[:2] == [("imported there", 3, 3, True), ("range", 2, 2, True)]
    assert (len(future.displays), future.logs()) == (0, "")


@every_method
def test_a_bar_that_was_imported_before_may_be_reset(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, imported_before)
    assert facts(future) == [("by hand", 2, 5, True)]
    assert len(future.displays) == 0


@every_method
def test_lines_written_beside_a_bar_are_in_the_log(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, automatic)
    assert facts(future) == [("outer", 2, 2, True)]
    assert future.logs(raw=True) == "a line\n" * 6


@every_method
@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (of_coroutines, ("async", 3, 3, True)),
        (of_pandas, ("applied", 4, 4, True)),
        (of_pools, ("mapped", 4, 4, True)),
    ],
)
def test_a_kind_of_loop_is_a_bar(
    executor: JobExecutor, method: str, loop: Any, expected: Any
) -> None:
    future = run(executor, method, loop)
    assert facts(future) == [expected]
    assert future.logs(raw=True) == ""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_threads_of_the_job_have_bars(executor: JobExecutor, method: str) -> None:
    assert facts(run(executor, method, in_threads)) == [("in a thread", 3, 3, True)]


@every_method
def test_a_real_file_gets_its_bars(executor: JobExecutor, method: str, tmp_path: Path) -> None:
    future = run(executor, method, in_files, str(tmp_path / "bars.txt"))
    written = future.result()
    assert all(f"{desc}: 100%" in written for desc in ("named", "by place", "notebook"))
    assert facts(future) == []


@pytest.mark.parametrize("method", ["fork", "thread"])
def test_a_stream_that_was_kept_is_the_jobs_own(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, in_streams)
    assert [bar.desc for bar in future.progress][:2] == ["kept", "by place"]


@every_method
def test_bars_for_people_are_shown(executor: JobExecutor, method: str) -> None:
    assert facts(run(executor, method, only_for_people)) == [("for people", 3, 3, True)]


def test_a_process_of_the_job_prints_its_bar(executor: JobExecutor) -> None:
    future = run(executor, "fork", in_processes_of_the_job)
    assert facts(future) == [("in a child", 3, 3, True)]
    assert future.logs().startswith("in a child: 100%|")
    assert future.logs().count("\n") == 1


def test_a_bar_that_is_given_up_is_closed(executor: JobExecutor) -> None:
    assert facts(run(executor, "fork", given_up)) == [("given up", 1, 3, True)]


def waiting_after_updates(fifo: Fifo) -> None:
    bar = tqdm.tqdm(total=1000, desc="updated", mininterval=3600)
    bar.update(7)
    bar.set_description("described", refresh=False)
    fifo.hear()
    bar.close()


@pytest.mark.parametrize("method", ["fork", "thread"])
def test_a_slow_step_shows_the_state_before_it(
    executor: JobExecutor, held: Fifo, method: str
) -> None:
    future = start(executor, method, waiting_after_updates, held)
    until(lambda: facts(future) == [("described", 7, 1000, False)])
    held.say()
    assert future.wait(120)


def test_outside_jobs_a_kept_stream_is_no_jobs() -> None:
    file = io.StringIO()
    list(tqdm.auto.tqdm(range(3), desc="outside", file=file))
    assert "outside: 100%" in file.getvalue()
