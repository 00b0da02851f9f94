"""A call of a client, in the thread that answers it: what it waits for, and how it fails.

Errors become gRPC's codes, and nothing of ours is UNKNOWN.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import grpc

from caikit_nb.errors import (
    InvalidRequestError,
    LoadAbortedError,
    ModelBusyError,
    ModelMissingError,
    ModelRefusedError,
    ModelTooLargeError,
    ServingError,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Details travel in a header, and peers refuse headers of more than 8 KiB.
_LONGEST_DETAILS = 1000

_CODES: dict[type[ServingError], grpc.StatusCode] = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    ModelMissingError: grpc.StatusCode.NOT_FOUND,
    ModelRefusedError: grpc.StatusCode.FAILED_PRECONDITION,
    ModelTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ModelBusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    LoadAbortedError: grpc.StatusCode.ABORTED,
}


def code_of(error: ServingError) -> grpc.StatusCode:
    """The code that clients get for an error."""
    found = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return next(found, grpc.StatusCode.INTERNAL)


def answered(context: Any, work: Callable[[], T]) -> T:
    """What `work` gives; its error ends the call with a code and one line."""
    try:
        return work()
    except ServingError as error:
        code, details = code_of(error), str(error)
    except CancelledError:
        code, details = grpc.StatusCode.CANCELLED, "nobody waits for the answer"
    except Exception as error:
        logger.exception("a call has failed")
        code, details = grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
    context.abort(code, " ".join(details.split())[:_LONGEST_DETAILS])
    raise AssertionError("abort raises")


def wait_for(context: Any, future: Future[T]) -> T:
    """What a future gives; it is cancelled if the client is gone first.

    Raises:
        CancelledError: it was.
    """
    if not context.add_callback(future.cancel):
        future.cancel()
    return future.result()


class OnLoop:
    """Has calls answered by coroutines on the event loop that runs now.

    A call whose client is gone cancels its coroutine.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def answered(self, context: Any, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives, as with `answered`; called in another thread."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return answered(context, lambda: wait_for(context, future))
