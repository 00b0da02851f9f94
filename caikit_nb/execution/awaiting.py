"""Waits for a coroutine, on an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns; raises what it raises. A loop that runs here stands still meanwhile."""
    with _outside_of_loop():
        return asyncio.run(coroutine)


@contextlib.contextmanager
def _outside_of_loop() -> Iterator[None]:
    """An inline job has the kernel's loop stand still around it, and the task of the cell."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:  # from Python 3.14 on the thread could enter no other one
        asyncio._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        asyncio.set_event_loop(outer)
        if task is not None:
            asyncio._enter_task(outer, task)
