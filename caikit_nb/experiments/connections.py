"""Connections to the service: who is slow, or says nothing, keeps nobody else out."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""How long the head of a request may take from its first byte, or from the connection on."""

ACCEPTED_AT_ONCE = 32
_MOST_CONNECTIONS = 1000
# For the database, and for what has been accepted or given up, and isn't counted or closed yet.
_OTHER_DESCRIPTORS = 64 + 4 * ACCEPTED_AT_ONCE
_FEWEST_CONNECTIONS = 16

_LATE = b"HTTP/1.1 408 Request Timeout\r\n"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
_END = b"Connection: close\r\nContent-Length: 0\r\n\r\n"


def most_connections() -> int:
    """How many connections there may be at once: each takes a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, soft - _OTHER_DESCRIPTORS))


class Connection(H11Protocol):
    """One connection, with a limit of time for the head of each request.

    Where there are too many, the one that has kept us waiting for longest gives way to a new one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit: asyncio.TimerHandle | None = None
        self._waits_since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._waits_since = time.monotonic()
        self._limit = self.loop.call_later(HEAD_S, self._end, _LATE)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._limit is None:  # the head of a further request has begun
                self._waits_since = time.monotonic()
                self._limit = self.loop.call_later(HEAD_S, self._end, _LATE)
        else:
            self._lift_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._lift_limit()
        super().connection_lost(exc)

    def _lift_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _make_room(self) -> None:
        if len(self.connections) <= most_connections():
            return
        known: set[Any] = self.connections
        open_ones = [each for each in known if not each.transport.is_closing()]
        if len(open_ones) <= most_connections():
            return
        waiting = [each for each in open_ones if each is not self and each._waits()]
        if waiting:
            min(waiting, key=lambda each: each._waits_since).transport.abort()
        else:
            self._end(_BUSY)

    def _waits(self) -> bool:
        """Whether its client owes us a request, or a part of one."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _end(self, status: bytes) -> None:
        self._limit = None
        if not self.transport.is_closing():
            self.transport.write(status + _END)
            self.transport.close()
