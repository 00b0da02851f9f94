"""Errors as gRPC's codes, and nothing of ours as UNKNOWN."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
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


async def answered(context: Any, work: Awaitable[T]) -> T:
    """What `work` gives; its error ends the call with a code and one line."""
    try:
        return await work
    except ServingError as error:
        code, details = code_of(error), str(error)
    except Exception as error:
        logger.exception("a call has failed")
        code, details = grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
    await context.abort(code, " ".join(details.split())[:_LONGEST_DETAILS])
    raise AssertionError("abort raises")
