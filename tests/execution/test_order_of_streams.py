"""What a process writes to stdout and to stderr is told in the order in which it was written."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from caikit_nb.backends.base import Task
from caikit_nb.backends.local_backend import LocalBackend
from caikit_nb.execution.call import Call, Port
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome, Returned

COUNT = 2000
METHODS = ("fork", "forkserver", "spawn")


class Heard:
    """The text of both streams as it comes."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, bytes]] = []
        self.outcome: Outcome | None = None
        self.ended = threading.Event()

    def on_output(self, stream: str, data: bytes) -> None:
        self.pieces.append((stream, data))

    def on_message(self, _message: Message) -> None:
        pass

    def on_end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.ended.set()

    @property
    def lines(self) -> list[str]:
        return b"".join(data for _, data in self.pieces).decode().splitlines()

    def text(self, stream: str) -> str:
        return b"".join(data for name, data in self.pieces if name == stream).decode()


def heard(runner: Any, method: str = "fork") -> Heard:
    story = Heard()
    LocalBackend().submit(Task("test", Call(runner), method), story).release()
    assert story.ended.wait(120)
    assert isinstance(story.outcome, Returned), story.outcome
    return story


def warn_and_log(call: Call, port: Port) -> Mapping[str, object]:
    logging.basicConfig(format="%(message)s", force=True)
    warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
    warnings.simplefilter("always")
    for number in range(COUNT):
        print("printed", number)
        logging.getLogger("test").warning("logged %d", number)
        os.write(1, b"written %d\n" % number)
        warnings.warn(f"warned {number}", stacklevel=1)
        print("complained", number, file=sys.stderr)
    return {}


@pytest.mark.parametrize("method", METHODS)
def test_records_and_warnings_stand_between_the_prints(method: str) -> None:
    ways = ("printed", "logged", "written", "warned", "complained")
    story = heard(warn_and_log, method)
    assert story.lines == [f"{way} {number}" for number in range(COUNT) for way in ways]
    assert {line.split()[0] for line in story.text("stderr").splitlines()} == {
        *("logged", "warned", "complained")
    }


def draw_beside_records(call: Call, port: Port) -> Mapping[str, object]:
    for number in range(COUNT):
        print(f"\r{number}/{COUNT}", end="", flush=True)
        if number == 1000:
            print("\na record", file=sys.stderr)
    return {}


def test_a_record_is_where_it_was_written_in_a_line_that_is_drawn_again_and_again() -> None:
    text = "".join(heard(draw_beside_records).lines)
    before, after = text.split("a record")
    assert before.endswith(f"1000/{COUNT}")
    assert after.startswith(f"1001/{COUNT}")


def write_much(call: Call, port: Port) -> Mapping[str, object]:
    for number in range(20):
        print("before", number)
        sys.stderr.write("€" * 50_000 + "\n")
        sys.stderr.buffer.write(b"raw\n")
        sys.stderr.flush()
    return {}


def test_a_long_text_is_whole_and_in_its_place() -> None:
    expected = [line for n in range(20) for line in (f"before {n}", "€" * 50_000, "raw")]
    assert heard(write_much).lines == expected


def write_in_threads(call: Call, port: Port) -> Mapping[str, object]:
    def write(name: str) -> None:
        for number in range(COUNT):
            stream = sys.stderr if number % 2 else sys.stdout
            stream.write(f"{name} {number} {'x' * (number % 3000)}\n")
            stream.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {}


def test_lines_of_several_threads_are_whole() -> None:
    lines = heard(write_in_threads).lines
    for name in "ab":
        mine = [line for line in lines if line.startswith(name)]
        assert mine == [f"{name} {number} {'x' * (number % 3000)}" for number in range(COUNT)]


def write_by_others(call: Call, port: Port) -> Mapping[str, object]:
    os.write(2, b"descriptor\n")
    code = "import sys; print('program', file=sys.stderr)"
    subprocess.run([sys.executable, "-Sc", code], check=True)
    for method in ("fork", "spawn"):
        worker = multiprocessing.get_context(method).Process(target=complain, args=(method,))
        worker.start()
        worker.join()
    return {}


def complain(method: str) -> None:
    print("worker", method, file=sys.stderr)


def test_what_others_write_is_heard() -> None:
    told = heard(write_by_others).text("stderr").splitlines()
    assert sorted(told) == ["descriptor", "program", "worker fork", "worker spawn"]


def capture(call: Call, port: Port) -> Mapping[str, object]:
    """As wurlitzer and pytest capture: another file under the number, for a while."""
    assert sys.stderr.fileno() == 2
    print("shown before", file=sys.stderr)
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        print("captured", file=sys.stderr)
        os.dup2(kept, 2)
        file.seek(0)
        captured = file.read().decode()
    print("shown after", file=sys.stderr)
    print(f"[{captured.strip()}]")
    return {}


def test_stderr_can_be_captured() -> None:
    assert heard(capture).lines == ["shown before", "shown after", "[captured]"]


def take_the_number(call: Call, port: Port) -> Mapping[str, object]:
    """As where all descriptors were closed, and opened files got their numbers."""
    text = sys.stderr.buffer.raw._text  # type: ignore[attr-defined]
    kept = os.dup(text)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), text)
        print("beside a file", file=sys.stderr)
        os.close(text)
        print("beside nothing", file=sys.stderr)
        os.dup2(kept, text)
        file.seek(0)
        print(f"[{file.read().decode()}]")
    return {}


def test_nothing_is_written_into_a_file_that_got_the_number() -> None:
    story = heard(take_the_number)
    assert story.text("stderr").splitlines() == ["beside a file", "beside nothing"]
    assert story.text("stdout") == "[]\n"
