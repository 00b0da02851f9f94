"""Messages that belong at a place in what a process prints."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.backends.base import Task
from caikit_nb.backends.local_backend import LocalBackend
from caikit_nb.execution.call import Call, Port
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome
from caikit_nb.execution.places import IN_TEXT, PLACE, Places, new_mark

COUNT = 2000


class Story:
    """Text and messages in the order in which they were heard."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {"stdout": "", "stderr": ""}
        self.ended = threading.Event()

    def on_output(self, stream: str, data: bytes) -> None:
        self.told[stream] += data.decode()

    def on_message(self, message: Message) -> None:
        if "number" in message:
            self.told["stdout"] += f"<{message['number']}>"

    def on_end(self, _outcome: Outcome) -> None:
        self.ended.set()


def print_and_tell(call: Call, port: Port) -> Mapping[str, object]:
    for number in range(COUNT):
        print(number, end="")
        port.send({"kind": "test", IN_TEXT: True, "number": number})
        os.write(1, b"+")
    return {}


def tell_while_subprocesses_print(call: Call, port: Port) -> Mapping[str, object]:
    for number in range(5):
        port.send({"kind": "test", IN_TEXT: True, "number": number, "padding": "x" * 300_000})
        subprocess.run([sys.executable, "-Sc", f"print({number})"], check=True)
    return {}


def tell_and_die(call: Call, port: Port) -> Mapping[str, object]:
    print("before")
    port.send({"kind": "test", IN_TEXT: True, "number": 0})
    print("after", flush=True)
    os.kill(os.getpid(), 9)
    return {}


def told(method: str, runner: Any) -> str:
    story = Story()
    LocalBackend().submit(Task("test", Call(runner), method), story).release()
    assert story.ended.wait(120)
    return story.told["stdout"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_messages_come_exactly_at_their_places(method: str) -> None:
    assert told(method, print_and_tell) == "".join(f"{n}<{n}>+" for n in range(COUNT))


def test_large_messages_come_before_what_is_printed_later_by_whom_ever() -> None:
    assert told("fork", tell_while_subprocesses_print) == "".join(f"<{n}>{n}\n" for n in range(5))


def test_a_process_that_dies_has_told_all_in_order() -> None:
    assert told("fork", tell_and_die) == "before\n<0>after\n"


@given(
    st.lists(st.tuples(st.sampled_from("peo"), st.binary(max_size=40))),
    st.lists(st.integers(1, 60), min_size=1),
)
def test_marks_are_found_in_portions_of_any_length(
    further: list[tuple[str, bytes]], lengths: list[int]
) -> None:
    mark = new_mark()
    # What isn't a mark, though it begins as one does, is text.
    further = [(sign, text + mark[: len(text) % 20]) for sign, text in further]
    data = b"".join(mark + sign.encode() + text for sign, text in further)
    expected: list[tuple[str, bytes]] = []
    for sign, text in further:
        if sign == "p":
            expected.append((PLACE, b""))
        expected.append(("stderr" if sign == "e" else "stdout", text))
    places, pieces, at = Places(mark), list[tuple[str, bytes]](), 0
    while at < len(data):
        pieces += places.split(data[at : at + lengths[at % len(lengths)]])
        at += lengths[at % len(lengths)]
    pieces.append(places.rest())
    assert joined(pieces) == joined(expected)


def joined(pieces: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for kind, text in pieces:
        if found and found[-1][0] == kind != PLACE:
            found[-1] = (kind, found[-1][1] + text)
        elif text or kind == PLACE:
            found.append((kind, text))
    return found
