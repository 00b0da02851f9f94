"""Lets a server stop without a request of its clients being lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

_QUIET_S = 0.05
_LONGEST_S = 2.0


class AnswerGate(grpc.ServerInterceptor):  # type: ignore[misc]
    """Holds answers back while a server begins to stop.

    gRPC drops what arrives between the moment in which a server stops and that in which its
    clients hear of it. A client that waits for an answer sends nothing. So answers are held back
    until no request comes any more, then the server tells its clients to go elsewhere, and the
    answers follow on the same connections.
    """

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._arrived = 0.0

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """See `grpc.ServerInterceptor`."""
        self._arrived = time.monotonic()
        handler = continuation(details)
        if handler is None or handler.request_streaming or handler.response_streaming:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._held(handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _held(self, answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def held(request: Any, context: Any) -> Any:
            try:
                return answer(request, context)
            finally:
                self._open.wait()

        return held

    async def close(self, count_waiting: Callable[[], int]) -> None:
        """Hold answers back; returns once no more requests come.

        Args:
            count_waiting: Says how many connections wait to be accepted.
        """
        self._open.clear()
        give_up = time.monotonic() + _LONGEST_S
        last = time.monotonic()
        while True:
            await asyncio.sleep(_QUIET_S / 5)
            now = time.monotonic()
            last = now if count_waiting() else max(last, self._arrived)
            if now - last >= _QUIET_S or now >= give_up:
                return

    def open(self) -> None:
        """Let the answers go."""
        self._open.set()
