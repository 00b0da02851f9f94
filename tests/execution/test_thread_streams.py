"""Where a thread's prints go."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from caikit_nb.execution.thread_streams import routed


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


def test_a_routed_thread_prints_to_its_writer(real: io.StringIO) -> None:
    seen: list[tuple[str, str]] = []
    with routed(lambda stream, text: seen.append((stream, text))):
        print("mine")
    assert "".join(text for _, text in seen) == "mine\n"
    assert real.getvalue() == ""


def test_other_threads_print_where_they_did(real: io.StringIO) -> None:
    with routed(lambda stream, text: None):
        other = threading.Thread(target=print, args=("theirs",))
        other.start()
        other.join(10)
    assert real.getvalue() == "theirs\n"


def test_the_real_stream_is_back_afterwards(real: io.StringIO) -> None:
    with routed(lambda stream, text: None), routed(lambda stream, text: None):
        assert sys.stdout is not real
    assert sys.stdout is real


def test_who_wraps_write_meanwhile_does_not_call_himself(real: io.StringIO) -> None:
    def cell() -> None:
        original = sys.stdout.write
        sys.stdout.write = lambda text: original(text.upper())  # type: ignore[method-assign]
        print("tee")
        sys.stdout.write = original  # type: ignore[method-assign]
        print("plain")

    with routed(lambda stream, text: None):
        other = threading.Thread(target=cell)
        other.start()
        other.join(10)
    assert real.getvalue() == "TEE\nplain\n"


def test_other_attributes_reach_the_real_stream(real: io.StringIO) -> None:
    with routed(lambda stream, text: None):
        assert sys.stdout.getvalue() == ""  # type: ignore[attr-defined]
        assert not sys.stdout.isatty()
