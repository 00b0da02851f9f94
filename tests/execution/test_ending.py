"""The end of a job's process is that of a program, for what is the job's own."""

from __future__ import annotations

import atexit
import csv
import gc
import gzip
import io
import logging
import logging.handlers
import multiprocessing
import os
import sys
import tarfile
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution import call as calls
from caikit_nb.execution.call import Call
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.ending import when_code_has_ended
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome
from tests.waiting import until

METHODS = ("fork", "forkserver", "spawn")
every_method = pytest.mark.parametrize("method", METHODS)
LONGEST_S = 180.0

kept: list[Any] = []  # what a module or a notebook still holds at the end


class Ended:
    """A process, and what it has told."""

    def __init__(self, at_the_end: Callable[[], object]) -> None:
        self.notes: list[str] = []
        self._at_the_end = at_the_end
        self.output = b""
        self.process: Any = None

    def on_output(self, _stream: str, data: bytes) -> None:
        self.output += data

    def on_message(self, message: Message) -> None:
        if message["kind"] == "note":
            self.notes.append(message["text"])
        elif message["kind"] == "ending":
            self._at_the_end()

    def on_end(self, _outcome: Outcome) -> None:
        pass


def ended(
    method: str,
    function: Callable[..., Any],
    *arguments: Any,
    grace_s: float = LONGEST_S / 2,
    at_the_end: Callable[[], object] = bool,
) -> Ended:
    """Run a function in a process to the process's end."""
    story = Ended(at_the_end)
    story.process = DestroyableProcess(
        method,
        call=Call(calls.run_function, calls.function_inputs(function, arguments, {})),
        return_result=True,
        capture=True,
        listener=story,
        surroundings=Surroundings(exit_grace_s=grace_s),
    )
    story.process.start()
    story.process.join(LONGEST_S)
    assert story.process.ran, "it does not end"
    return story


def value(method: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, of a process that ends by itself."""
    process = ended(method, function, *arguments)
    assert process.notes == []
    return process.process.get_or_throw()


def use_threads() -> list[int]:
    pool = ThreadPoolExecutor(2)
    kept.append(pool)
    return list(pool.map(abs, [-1, -2]))


def use_processes() -> list[int]:
    pool = ProcessPoolExecutor(2)
    kept.append(pool)
    return list(pool.map(abs, [-1, -2]))


def use_pool() -> list[int]:
    pool = multiprocessing.get_context("fork").Pool(2)
    kept.append(pool)
    return pool.map(abs, [-1, -2])


def use_joblib() -> list[int]:
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=2)(delayed(abs)(n) for n in (-1, -2)))


def use_loop() -> list[int]:
    import asyncio

    loop = asyncio.new_event_loop()
    kept.append(loop)
    return [loop.run_until_complete(loop.run_in_executor(None, abs, n)) for n in (-1, -2)]


@every_method
@pytest.mark.parametrize("use", [use_threads, use_processes, use_pool, use_joblib, use_loop])
def test_an_executor_that_is_left_open_holds_nothing_up(
    method: str, use: Callable[[], list[int]]
) -> None:
    assert value(method, use) == [1, 2]


def use_then_raise() -> None:
    use_threads()
    raise ValueError("the real reason")


@every_method
def test_an_error_beside_an_open_executor_is_told(method: str) -> None:
    process = ended(method, use_then_raise)
    with pytest.raises(ValueError, match="the real reason"):
        process.process.get_or_throw()


@pytest.mark.own_process  # joblib keeps its executor
@pytest.mark.parametrize("use", [use_threads, use_processes, use_joblib])
def test_a_forked_copy_has_executors_of_its_own_and_leaves_the_parents_be(
    use: Callable[[], list[int]],
) -> None:
    if use is use_joblib:
        assert use() == value("fork", use) == use() == [1, 2]
        return
    kept.clear()
    assert use() == [1, 2]
    pool: Executor = kept.pop()
    with pool:
        assert value("fork", use) == [1, 2]
        assert pool.submit(abs, -3).result(LONGEST_S) == 3


def register(path: Path) -> None:
    atexit.register(path.write_text, "run")


@every_method
def test_handlers_of_atexit_run(method: str, tmp_path: Path) -> None:
    value(method, register, tmp_path / "own")
    assert (tmp_path / "own").read_text() == "run"


def test_the_parents_handlers_and_finalizers_do_not_run_in_a_copy(tmp_path: Path) -> None:
    handler = atexit.register((tmp_path / "the parent's").touch)
    holder = threading.Event()
    finalizer = weakref.finalize(holder, (tmp_path / "finalized").touch)
    with tempfile.TemporaryDirectory(dir=tmp_path) as directory:
        value("fork", register, tmp_path / "own")
        assert Path(directory).is_dir()
    atexit.unregister(handler)
    finalizer.detach()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def make_temporary_directories(path: Path) -> list[str]:
    kept.append(tempfile.TemporaryDirectory(dir=path))
    kept.append(tempfile.NamedTemporaryFile(dir=path))  # noqa: SIM115
    return [each.name for each in path.iterdir()]


@every_method
def test_temporary_files_and_directories_are_removed(method: str, tmp_path: Path) -> None:
    assert len(value(method, make_temporary_directories, tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


def write_files(path: Path) -> None:
    """Leave all open, some below one another."""
    text = (path / "text").open("w")
    text.write("results\n")
    binary = (path / "binary").open("wb")
    binary.write(b"results\n")
    packed = gzip.open(path / "packed.gz", "wt")  # noqa: SIM115
    packed.write("results\n")
    table = (path / "table.csv").open("w", newline="")
    csv.writer(table).writerow(["results"])
    archive = zipfile.ZipFile(path / "archive.zip", "w")
    archive.writestr("inner", "results\n")
    tar = tarfile.open(path / "archive.tar", "w")  # noqa: SIM115
    tar.addfile(tarfile.TarInfo("inner"), io.BytesIO())
    kept.extend([text, binary, packed, table, archive, tar])


def check_files(path: Path) -> None:
    assert (path / "text").read_text() == "results\n"
    assert (path / "binary").read_bytes() == b"results\n"
    with gzip.open(path / "packed.gz", "rt") as packed:
        assert packed.read() == "results\n"
    assert (path / "table.csv").read_text() == "results\n"
    with zipfile.ZipFile(path / "archive.zip") as archive:
        assert archive.read("inner") == b"results\n"
    with tarfile.open(path / "archive.tar") as tar:
        assert tar.getnames() == ["inner"]


@every_method
def test_files_that_are_left_open_are_whole(method: str, tmp_path: Path) -> None:
    value(method, write_files, tmp_path)
    check_files(tmp_path)


def log_into_memory(path: Path) -> None:
    handler = logging.handlers.MemoryHandler(100, target=logging.FileHandler(path))
    logger = logging.getLogger("of a job")
    logger.addHandler(handler)
    logger.warning("a record")


@every_method
def test_handlers_of_logging_are_flushed(method: str, tmp_path: Path) -> None:
    value(method, log_into_memory, tmp_path / "log")
    assert (tmp_path / "log").read_text() == "a record\n"


def test_the_parents_handlers_of_logging_are_not(tmp_path: Path) -> None:
    target = logging.FileHandler(tmp_path / "log")
    handler = logging.handlers.MemoryHandler(100, target=target)
    logger = logging.getLogger("of the parent")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("a record")
    value("fork", register, tmp_path / "own")
    assert (tmp_path / "log").read_text() == ""
    handler.close()
    target.close()
    logger.removeHandler(handler)
    assert (tmp_path / "log").read_text() == "a record\n"


class Unfinished:
    """Finishes its file when nobody needs it any more, as many libraries' objects do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __del__(self) -> None:
        self.path.write_text("finished")


def begin(path: Path) -> None:
    unfinished = Unfinished(path)
    unfinished.itself = unfinished  # type: ignore[attr-defined]


@every_method
def test_objects_that_nobody_holds_are_finalized(method: str, tmp_path: Path) -> None:
    value(method, begin, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "finished"


def start_thread(path: Path) -> str:
    def write() -> None:
        until(path.with_suffix(".ending").exists)
        path.write_text("written")

    threading.Thread(target=write).start()
    atexit.register(lambda: path.with_suffix(".after").write_text(path.read_text()))
    return "returned"


@every_method
def test_its_threads_are_waited_for(method: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    process = ended(method, start_thread, file, at_the_end=file.with_suffix(".ending").touch)
    assert process.process.get_or_throw() == "returned"
    assert file.with_suffix(".after").read_text() == "written"


def watch(word: str) -> list[str]:
    names = {"word": word}
    kept.append(names)

    def look() -> None:
        while True:
            assert names["word"]

    threading.Thread(target=look, daemon=True).start()
    when_code_has_ended(names.clear)
    return [word]


@every_method
def test_daemon_threads_miss_nothing_up_to_the_end(method: str) -> None:
    process = ended(method, watch, "a word")
    assert process.process.get_or_throw() == ["a word"]
    assert process.output == b""


def wait_for_ever() -> None:
    threading.Event().wait()


def leave_thread() -> str:
    threading.Thread(target=wait_for_ever, name="endless").start()
    return "returned"


def leave_handler() -> str:
    atexit.register(wait_for_ever)
    return "returned"


def leave_process() -> str:
    multiprocessing.get_context("fork").Process(target=wait_for_ever, name="endless").start()
    return "returned"


@every_method
@pytest.mark.parametrize(
    ("leave", "what"),
    [
        (leave_thread, "the thread endless"),
        (leave_handler, "a handler of atexit"),
        (leave_process, "the process endless"),
    ],
)
def test_what_does_not_end_is_ended_and_named(
    method: str, leave: Callable[[], str], what: str
) -> None:
    process = ended(method, leave, grace_s=0.2)
    assert process.process.get_or_throw() == "returned"
    (note,) = process.notes
    assert note == f"its process was ended: 0.2 s after its code, it still waited for {what}"


def fail_at_the_end(path: Path) -> str:
    sys.unraisablehook = sys.__unraisablehook__  # pytest has its own, and a copy has that
    atexit.register(path.write_text, "run")
    atexit.register(lambda: 1 / 0)
    return "returned"


@every_method
def test_a_handler_that_fails_is_told_of_in_the_log(method: str, tmp_path: Path) -> None:
    process = ended(method, fail_at_the_end, tmp_path / "file")
    assert process.process.get_or_throw() == "returned"
    assert b"ZeroDivisionError" in process.output
    assert (tmp_path / "file").read_text() == "run"


def fork_by_itself() -> str:
    copy = os.fork()
    if copy == 0:
        return "of the copy" * 100_000
    os.waitpid(copy, 0)
    return "of the process"


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_that_comes_to_the_end_of_the_code_says_nothing(method: str) -> None:
    assert value(method, fork_by_itself) == "of the process"


def kill_at_the_end() -> str:
    atexit.register(os.kill, os.getpid(), 9)
    return "returned"


@every_method
def test_the_outcome_stands_whatever_happens_at_the_end(method: str) -> None:
    assert value(method, kill_at_the_end) == "returned"


def test_the_collector_knows_the_objects_of_a_copy_from_inherited_ones() -> None:
    inherited = io.StringIO()

    def look() -> list[bool]:
        own = io.StringIO()
        found = [id(each) for each in gc.get_objects()]
        return [id(each) in found for each in (inherited, own)]

    assert value("fork", look) == [False, True]
