"""What a child prints, by every way, goes where its parent reads."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import warnings
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.process_reader import Silent

METHODS = ["fork", "spawn", "forkserver"]
logging.getLogger("tests.made_before_the_fork").addHandler(logging.StreamHandler(sys.stderr))


class Output(Silent):
    """Keeps the output by stream."""

    def __init__(self) -> None:
        self.text = {"stdout": b"", "stderr": b""}

    def on_output(self, stream: str, data: bytes) -> None:
        self.text[stream] += data


def printed(method: str, function: Any) -> dict[str, bytes]:
    output = Output()
    process = DestroyableProcess(method, function, capture=True, listener=output)
    process.start()
    process.join(120)
    process.get_or_throw()
    return output.text


def by_print() -> None:
    print("out")
    print("err", file=sys.stderr)


def by_descriptor() -> None:
    os.write(1, b"out\n")
    os.write(2, b"err\n")


def by_subprocess() -> None:
    subprocess.run("echo out; echo err >&2", shell=True, check=True)


def by_c() -> None:
    ctypes.CDLL(None).printf(b"out\n")
    os.write(2, b"err\n")


def by_original_streams() -> None:
    sys.__stdout__.write("out\n")  # type: ignore[union-attr]
    sys.__stderr__.write("err\n")  # type: ignore[union-attr]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", [by_print, by_descriptor, by_subprocess, by_c, by_original_streams])
def test_every_way_of_printing_is_caught(method: str, way: Any) -> None:
    assert printed(method, way) == {"stdout": b"out\n", "stderr": b"err\n"}


def test_a_handler_made_before_the_fork_logs_into_the_job() -> None:
    logger = logging.getLogger("tests.made_before_the_fork")
    handler = logger.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(sys.stderr)
    assert printed("fork", lambda: logger.warning("careful"))["stderr"] == b"careful\n"


def test_warnings_are_caught() -> None:
    def warn() -> None:
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)

    assert b"UserWarning: careful" in printed("forkserver", warn)["stderr"]


def test_the_last_words_before_a_hard_exit_are_caught() -> None:
    output = Output()
    process = DestroyableProcess(
        "fork", lambda: (print("last"), os._exit(0)), capture=True, listener=output
    )
    process.start()
    process.join(120)
    assert output.text["stdout"] == b"last\n"


def test_output_is_kept_in_full() -> None:
    assert printed("fork", lambda: print("x" * 5_000_000))["stdout"] == b"x" * 5_000_000 + b"\n"


def test_nobody_can_type_into_a_job() -> None:
    def read() -> None:
        print(repr(sys.stdin.read()), os.read(0, 1))

    assert printed("fork", read)["stdout"] == b"'' b''\n"


def test_lone_surrogates_do_not_stop_a_print() -> None:
    assert printed("fork", lambda: print("\udce9"))["stdout"] == b"\\udce9\n"
