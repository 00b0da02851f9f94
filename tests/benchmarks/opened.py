"""One contender in the process that is measured: set up once, called in blocks."""

import atexit
import importlib
import time
from collections.abc import Callable
from contextlib import ExitStack


class Opened:
    """Sets a contender up.

    Args:
        function: ``module:function`` below this package.
        warm_up: How often it is called before it counts.
    """

    def __init__(self, function: str, warm_up: int) -> None:
        module, _, name = function.partition(":")
        make = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        self._stack = ExitStack()
        atexit.register(self._stack.close)
        self._call: Callable[[], float | None] = self._stack.enter_context(make())
        self.block(warm_up)

    def block(self, calls: int) -> list[float]:
        """Call it so often; returns what each took."""
        return [self._timed() for _ in range(calls)]

    def close(self) -> None:
        """End what was set up."""
        self._stack.close()

    def _timed(self) -> float:
        start = time.perf_counter()
        measure = self._call()
        return time.perf_counter() - start if measure is None else measure
