"""Calls those who asked to be called."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

S = TypeVar("S")


def call_all(callbacks: list[Callable[[S], object]], source: S) -> None:
    """Call each with `source`; what one raises is logged."""
    for callback in callbacks:
        try:
            callback(source)
        except Exception:
            logger.exception("a callback failed for %r", source)
