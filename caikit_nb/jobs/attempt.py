"""One run of a job: what it reported, and how it ended.

A job has as many as it may be run: all of them are made when it is submitted, so that each has
the namespace of that moment, and most are never needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from caikit_nb.backends.base import Running
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome, Usage
from caikit_nb.jobs.displays import Displays
from caikit_nb.jobs.log_file import log_name
from caikit_nb.jobs.logs import LogSpool
from caikit_nb.jobs.printed_bars import PrintedBars
from caikit_nb.jobs.progress import Bars, Metrics

_NO_LOG = LogSpool(None)
_NO_USAGE = Usage()
_NO_BARS, _NO_METRICS, _NO_DISPLAYS = Bars(), Metrics(), Displays()


class Attempt:
    """Hears of its task, in the watcher's thread.

    Args:
        number: From 1.
        directory: The job's.
        on_change: Called when there is news.
        on_message: Called with what isn't about output, bars, metrics and displays.
        on_end: Called once with the outcome.
    """

    __slots__ = (
        "_on_change",
        "_on_end",
        "_on_message",
        "_open_line",
        "_printed_bars",
        "bars",
        "displays",
        "ended",
        "exit_code",
        "log",
        "metrics",
        "number",
        "pid",
        "reason",
        "remark",
        "running",
        "started",
        "usage",
    )

    def __init__(
        self,
        number: int,
        directory: Path,
        *,
        on_change: Callable[[], object],
        on_message: Callable[[Message], object],
        on_end: Callable[[Attempt, Outcome], object],
    ) -> None:
        self.number = number
        suffix = "" if number == 1 else f"-{number}"
        self.log = LogSpool(directory / log_name(number))
        self.bars, self.metrics = Bars(), Metrics()
        self.displays = Displays(directory / f"displays{suffix}")
        self._open_line = ""  # the stream whose line isn't finished
        self._printed_bars: PrintedBars | None = None  # until it prints
        self.running: Running | None = None
        self.pid: int | None = None
        self.usage = _NO_USAGE
        self.exit_code: int | None = None
        self.reason = ""
        self.remark = ""  # how it stands with it, from its backend
        self.started = self.ended = 0.0
        self._on_change, self._on_message, self._on_end = on_change, on_message, on_end

    def __repr__(self) -> str:
        return f"<attempt {self.number}{': ' if self.reason else ''}{self.reason}>"

    @property
    def elapsed_s(self) -> float:
        """Seconds it has run so far, or ran in all; 0 before it started."""
        return (self.ended or time.monotonic()) - self.started if self.started else 0.0

    def release(self) -> None:
        """Its turn has come."""
        self.started = time.monotonic()
        running = self.running  # its end may be heard of at any moment
        if running is not None:
            running.release()

    def end(self, *, at_once: bool = False) -> None:
        """End it and all that it started; returns at once."""
        running = self.running
        if running is not None:
            running.end(at_once=at_once)

    def tell(self, message: Message) -> None:
        """Hand the running job a message, where its backend can."""
        tell = getattr(self.running, "tell", None)
        if tell is not None:
            tell(message)

    def on_output(self, stream: str, data: bytes) -> None:
        """It printed something."""
        if self.ended:
            return
        self.displays.make_room()
        if self._printed_bars is None:
            self._printed_bars = PrintedBars(self.log.end)
        printed = self._printed_bars.feed(stream, data)
        if self._open_line not in ("", stream):
            # The streams are two pipes: a record on stderr would land in the midst of a line.
            self.log.append(b"\n")
        self._open_line = "" if data.endswith(b"\n") else stream
        self.log.append(data)
        if printed:
            self.bars.take({"bars": printed})
        self._on_change()

    def on_message(self, message: Message) -> None:
        """It told something."""
        if self.ended:
            return
        kind = message.get("kind")
        if kind == "hello":
            self.pid = message["pid"]
            self._on_message(message)
        elif kind == "remark":
            self.remark = message["text"]
        elif kind == "bars":
            self.bars.take(message)
        elif kind == "metrics":
            self.metrics.take(message)
        elif kind in ("display", "clear_output"):
            self.displays.take(message, at_byte=self.log.size_bytes)
        else:
            self._on_message(message)
        self._on_change()

    def on_end(self, outcome: Outcome) -> None:
        """It is gone, and everything that it started."""
        self.ended, self.usage = time.monotonic(), outcome.usage
        self.running = None
        self.log.close()
        on_end = self._on_end
        self._let_go()
        on_end(self, outcome)

    def _let_go(self) -> None:
        """Share what is empty, and drop what nobody needs: of ended ones there may be very many."""
        self._on_change = self._on_message = self._on_end = _ignore
        self._printed_bars = None
        self.log = self.log if self.log.size_bytes else _NO_LOG
        self.displays = self.displays if self.displays.is_used else _NO_DISPLAYS
        self.bars = self.bars if self.bars.latest() else _NO_BARS
        self.metrics = self.metrics or _NO_METRICS

    def drop(self) -> None:
        """Forget what it reported."""
        self.displays.clear()
        self.log.drop()
        if self.ended:
            self.log = _NO_LOG
            self._let_go()


def _ignore(*_: object) -> None:
    """Nothing comes any more."""
