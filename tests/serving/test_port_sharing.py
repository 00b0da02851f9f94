"""Connections to a port that two servers listen at for a moment."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from caikit_nb.serving.port_sharing import draw_connections, waiting_connections

COUNT = 20


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def listen(sockets: ExitStack, host: str, port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = sockets.enter_context(socket.socket(family))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    made.listen(2 * COUNT)
    made.setblocking(False)
    return made


def connect(sockets: ExitStack, listener: socket.socket) -> None:
    for _ in range(COUNT):
        sockets.enter_context(socket.create_connection(listener.getsockname()[:2]))


def accepted(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_comes_last_gets_all_new_ones(sockets: ExitStack, host: str) -> None:
    try:
        old = listen(sockets, host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    port = old.getsockname()[1]
    new = listen(sockets, host, port)
    draw_connections(port)
    connect(sockets, new)
    assert waiting_connections(port) == COUNT
    assert (accepted(old), accepted(new)) == (0, COUNT)
    assert waiting_connections(port) == 0
    old.close()
    newest = listen(sockets, host, port)
    draw_connections(port)
    connect(sockets, newest)
    assert (accepted(new), accepted(newest)) == (0, COUNT)


def test_one_that_listens_alone_is_left_alone(sockets: ExitStack) -> None:
    only = listen(sockets, "127.0.0.1")
    draw_connections(only.getsockname()[1])
    connect(sockets, only)
    assert accepted(only) == COUNT
