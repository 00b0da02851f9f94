"""Where a thread's prints go."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Iterator

from caikit_nb.execution import thread_streams
from caikit_nb.execution.thread_streams import Write, close_routes, open_routes


@contextlib.contextmanager
def routed(write: Write) -> Iterator[None]:
    open_routes()
    try:
        with thread_streams.routed(write):
            yield
    finally:
        close_routes()


def printing_to_text() -> contextlib.redirect_stdout[io.StringIO]:
    """Inside, a text stands for the stream that the process prints to."""
    return contextlib.redirect_stdout(io.StringIO())


def test_a_routed_thread_prints_to_its_writer() -> None:
    seen: list[tuple[str, str]] = []
    with printing_to_text() as real, routed(lambda stream, text: seen.append((stream, text))):
        print("mine")
    assert "".join(text for _, text in seen) == "mine\n"
    assert real.getvalue() == ""


def test_other_threads_print_where_they_did() -> None:
    with printing_to_text() as real, routed(lambda stream, text: None):
        other = threading.Thread(target=print, args=("theirs",))
        other.start()
        other.join(120)
    assert real.getvalue() == "theirs\n"


def test_the_real_stream_is_back_afterwards() -> None:
    with printing_to_text() as real:
        with routed(lambda stream, text: None), routed(lambda stream, text: None):
            assert sys.stdout is not real
        assert sys.stdout is real


def test_who_wraps_write_meanwhile_does_not_call_himself() -> None:
    def cell() -> None:
        original = sys.stdout.write
        sys.stdout.write = lambda text: original(text.upper())  # type: ignore[method-assign]
        print("tee")
        sys.stdout.write = original  # type: ignore[method-assign]
        print("plain")

    with printing_to_text() as real, routed(lambda stream, text: None):
        other = threading.Thread(target=cell)
        other.start()
        other.join(120)
    assert real.getvalue() == "TEE\nplain\n"


def test_other_attributes_reach_the_real_stream() -> None:
    with printing_to_text() as real, routed(lambda stream, text: None):
        assert sys.stdout.getvalue() == real.getvalue() == ""  # type: ignore[attr-defined]
        assert not sys.stdout.isatty()


def test_a_stream_that_took_the_place_of_ours_is_routed_by_the_next() -> None:
    seen: list[str] = []
    open_routes()
    with printing_to_text() as real, routed(lambda stream, text: seen.append(text)):
        print("mine")
    close_routes()
    assert "".join(seen) == "mine\n"
    assert real.getvalue() == ""


PRINTING = """
import sys, threading
from caikit_nb.execution.thread_streams import close_routes, open_routes

def go_on():
    while not over.is_set():
        open_routes()
        close_routes()

over = threading.Event()
sys.setswitchinterval(1e-6)
others = [threading.Thread(target=go_on) for _ in range(3)]
for other in others:
    other.start()
for number in range(20_000):
    print("x", end="")
over.set()
"""


def test_who_prints_meanwhile_is_unharmed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], capture_output=True, check=False, timeout=180
    )
    assert (done.returncode, done.stdout.count(b"x")) == (0, 20_000), done.stderr
