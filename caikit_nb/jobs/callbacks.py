"""Calls those who asked to be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from caikit_nb.execution.reports import Reports

logger = Reports(__name__)

S = TypeVar("S")


class _Nobody(list[Any]):
    """Takes nobody in: what they would wait for is over."""

    __slots__ = ()

    def append(self, _: object) -> None:
        """Do nothing."""


NOBODY: list[Any] = _Nobody()
"""One list of callbacks for all whose time to call is over: there may be very many."""


def call_all(callbacks: list[Callable[[S], object]], source: S) -> None:
    """Call each with `source`; what one raises is logged."""
    for callback in callbacks:
        try:
            callback(source)
        except Exception:
            logger.exception("a callback failed for %r", source)
