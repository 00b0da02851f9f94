"""A worker's end of the line: the jobs that run there, and what their kernel must hear of them.

It knows no engine. What a job tells becomes frames with numbers, which are kept until the kernel
has heard them; so each is heard once and in order, however often the line breaks. Results stay
here until the kernel has fetched them.
"""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from caikit_nb.execution.limits import Grace
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome, Raised, Returned
from caikit_nb.execution.program_process import ProgramProcess
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import watcher

Frame = list[Any]  # its number from 1, its kind, its body

PUSH_BYTES = 16 * 2**10  # what is larger is only announced, and fetched by the kernel
PUSH_EVERY_S = 0.05
FETCH_BYTES = 2**20
_MOST_KEPT_BYTES = 64 * 2**20


class Run:
    """One task here. It is the listener of its process.

    Args:
        run_id: What its kernel calls it.
        push: Sends its kernel frames, and may fail to; called in the watcher's thread.

    Attributes:
        instance: Tells it from another run of the same task, after a worker died.
    """

    def __init__(self, run_id: str, push: Callable[[Mapping[str, Any]], object]) -> None:
        self.run_id, self.instance = run_id, uuid.uuid4().hex[:8]
        self._push = push
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._last = self._pushed = self._kept_bytes = self._left_out_bytes = 0
        self._push_planned = False
        self._inputs = open_memory_file()
        self._go: Mapping[str, Any] | None = None
        self._process: ProgramProcess | None = None
        self.dropped = False
        self.heard_at = time.monotonic()

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to do, or the time is over; whether the run is over."""
        with self._changed:
            if self._go is None and not self.dropped:
                self._changed.wait(timeout_s)
            elif not self.dropped:
                self._changed.wait_for(lambda: self.dropped, timeout_s)
            starts = self._go is not None and self._process is None and not self.dropped
        if starts:
            self._start()
        return self.dropped

    def _start(self) -> None:
        assert self._go is not None  # noqa: S101
        inputs, self._inputs = self._inputs, -1
        self._process = ProgramProcess(
            self._go["parcel"], inputs, self, self._go["memory_limit_bytes"]
        )
        try:
            self._process.start()
        except Exception as error:  # noqa: BLE001 - its kernel must hear of it, whatever it is
            text = f"the worker can't start a process: {type(error).__name__}: {error}"
            watcher.call_soon(lambda: self._add("refused", text.encode()))

    def put(self, offset: int, data: bytes) -> None:
        """Take a piece of the inputs."""
        if self._inputs >= 0:
            os.pwrite(self._inputs, data, offset)

    def go(self, order: Mapping[str, Any]) -> None:
        """It may run, once."""
        with self._changed:
            self._go = self._go or order
            self._changed.notify_all()

    def end(self, grace: Grace | None) -> None:
        """End it, with a grace or at once."""
        process = self._process
        if process is not None and grace is not None:
            process.end(grace)
        elif process is not None:
            process.kill_soon()
        else:
            self.drop()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it."""
        if self._process is not None:
            self._process.interrupt()

    def tell(self, message: Message) -> None:
        """Hand it a message of its kernel."""
        if self._process is not None:
            self._process.tell(message)

    def read(self, offset: int, size: int) -> bytes:
        """A piece of the results."""
        # Not mapped: what a worker has mapped counts as its own memory, which is limited.
        return b"" if self._process is None else os.pread(self._process.results, size, offset)

    def fetch(self, heard: int) -> list[Frame]:
        """The frames after the one that was heard last, not more than `FETCH_BYTES` or one."""
        with self._changed:
            self.heard_at = time.monotonic()
            while self._frames and self._frames[0][0] <= heard:
                self._kept_bytes -= len(self._frames.popleft()[2])
            return _first(self._frames, FETCH_BYTES)

    def drop(self) -> None:
        """It is over: its kernel has all of it, or doesn't want it."""
        with self._changed:
            self.dropped = True
            self._frames.clear()
            inputs, self._inputs = self._inputs, -1
            process = self._process
            self._changed.notify_all()
        if inputs >= 0:
            os.close(inputs)
        if process is not None:
            process.kill_soon()
            process.close_results()

    def announce(self) -> None:
        """Tell its kernel that it is here."""
        watcher.call_soon(lambda: self._add("opened", b""))

    def on_output(self, stream: str, data: bytes) -> None:
        """It printed something."""
        if self._kept_bytes > _MOST_KEPT_BYTES:
            self._left_out_bytes += len(data)
            return
        if self._left_out_bytes:
            size = self._left_out_bytes / 2**20
            data = f"\n[{size:.0f} MiB of output were left out here]\n".encode() + data
            self._left_out_bytes = 0
        self._add(stream, data)

    def on_message(self, message: Message) -> None:
        """It told something."""
        self._add("message", json.dumps(message).encode("utf-8", "surrogatepass"))

    def on_end(self, outcome: Outcome) -> None:
        """It is gone, and all that it started."""
        report: dict[str, Any] = {"usage": outcome.usage}
        if isinstance(outcome, Returned):
            assert self._process is not None  # noqa: S101
            size = os.fstat(self._process.results).st_size
            report |= {"size": size, "entries": list(outcome.values.entries.values())}
        elif isinstance(outcome, Raised):
            report["error"] = outcome.error
        else:
            report["died"] = outcome
        self._add("end", pickle.dumps(report))

    def _add(self, kind: str, body: bytes) -> None:
        with self._changed:
            if self.dropped:
                return
            self._last += 1
            self._kept_bytes += len(body)
            self._frames.append([self._last, kind, body])
            planned, self._push_planned = self._push_planned, True
        if not planned:
            self._push_now()

    def _push_now(self) -> None:
        with self._changed:
            new = [frame for frame in self._frames if frame[0] > self._pushed]
            self._push_planned = bool(new)
            self._pushed = self._last
        if not new:
            return
        fits = sum(len(frame[2]) for frame in new) <= PUSH_BYTES
        self._push({"run": self.run_id, "instance": self.instance, "frames": new if fits else []})
        watcher.call_later(PUSH_EVERY_S, self._push_now)


def _first(frames: deque[Frame], size_bytes: int) -> list[Frame]:
    chosen: list[Frame] = []
    for frame in frames:
        size_bytes -= len(frame[2])
        if chosen and size_bytes < 0:
            break
        chosen.append(frame)
    return chosen


class Station:
    """All runs of one worker."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def open(self, run_id: str, push: Callable[[Mapping[str, Any]], object]) -> Run:
        """A new run."""
        run = self._runs[run_id] = Run(run_id, push)
        return run

    def close(self, run: Run) -> None:
        """Forget a run."""
        run.drop()
        if self._runs.get(run.run_id) is run:
            del self._runs[run.run_id]

    def answer(self, what: str, run_id: str, values: Mapping[str, Any]) -> Any:
        """What a kernel asks for one run; None if there is no such run, or is none any more."""
        run = self._runs.get(run_id)
        if run is None or run.instance != values["instance"]:
            return None
        return getattr(self, f"_{what}")(run, values)

    def fetch(self, heard: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
        """What a kernel has not heard of each run that it names: instance and frames, or None.

        Args:
            heard: By run its instance, empty if that isn't known, and the number of the last
                frame that was heard.
        """
        return {run_id: self._frames(run_id, *state) for run_id, state in heard.items()}

    def _frames(self, run_id: str, instance: str, last: int) -> tuple[str, list[Frame]] | None:
        run = self._runs.get(run_id)
        if run is None or instance not in ("", run.instance):
            return None
        return run.instance, run.fetch(last)

    def _put(self, run: Run, values: Mapping[str, Any]) -> bool:
        run.put(values["offset"], values["data"])
        return True

    def _go(self, run: Run, values: Mapping[str, Any]) -> bool:
        run.go(values)
        return True

    def _end(self, run: Run, values: Mapping[str, Any]) -> bool:
        grace = values["grace"]
        run.end(None if grace is None else Grace(*grace))
        return True

    def _interrupt(self, run: Run, values: Mapping[str, Any]) -> bool:
        run.interrupt()
        return True

    def _tell(self, run: Run, values: Mapping[str, Any]) -> bool:
        run.tell(json.loads(values["message"]))
        return True

    def _read(self, run: Run, values: Mapping[str, Any]) -> bytes:
        return run.read(values["offset"], values["size"])

    def _drop(self, run: Run, values: Mapping[str, Any]) -> bool:
        self.close(run)
        return True
