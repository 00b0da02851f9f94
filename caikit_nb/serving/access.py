"""Who may call: a token in the ``authorization`` header."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import grpc

HEADER = "authorization"


class TokenCheck(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without the token. Health checks need none: they tell nothing else.

    Args:
        token: The secret.
    """

    def __init__(self, token: str) -> None:
        self._wanted = f"Bearer {token}".encode()

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Look at a call."""
        sent = dict(details.invocation_metadata or ()).get(HEADER, "")
        given = sent if isinstance(sent, bytes) else sent.encode()
        is_open = details.method.startswith("/grpc.health.")
        handler = continuation(details)
        if is_open or handler is None or hmac.compare_digest(given, self._wanted):
            return handler
        return _refusal(handler)


def _refusal(handler: Any) -> Any:
    """A handler of the same kind that refuses."""

    def refuse(_: Any, context: Any) -> None:
        context.abort(
            grpc.StatusCode.UNAUTHENTICATED, f"send the token as '{HEADER}: Bearer TOKEN'"
        )

    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(
        refuse, handler.request_deserializer, handler.response_serializer
    )
