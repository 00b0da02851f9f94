"""A kernel's end of the line: one task that runs on another machine."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caikit_nb.backends.base import Running, Task, TaskListener
from caikit_nb.errors import BackendError, JobLost
from caikit_nb.execution import parcel
from caikit_nb.execution.call import SealedCall, seal
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, Raised, Returned, Usage, Values
from caikit_nb.execution.transfer import Store, open_memory_file
from caikit_nb.execution.watcher import watcher

if TYPE_CHECKING:
    from caikit_nb.backends.line import Line
    from caikit_nb.backends.station import Frame

_PIECE_BYTES = 4 * 2**20
_UNKNOWN = "the outcome is unknown"


class Unreachable(Exception):
    """The other end did not answer; it may do so later."""


class LineDown(Unreachable):
    """Nobody answers, so that nothing can be known of anybody."""


class RemoteRunning:
    """A task on another machine (see `Running`).

    What is public is for any thread, what is not and the coroutines are for the line's loop.

    A worker may run it only once it has our permit, and we give one: an engine that runs a task
    anew when it has lost a worker can't run the user's code twice.
    """

    pid = None

    def __init__(
        self, task: Task, listener: TaskListener, line: Line, like: Running | None
    ) -> None:
        self.task, self._listener, self._line = task, listener, line
        self.run_id = f"caikit_nb-{task.name}-{uuid.uuid4().hex[:12]}"
        self._inputs = open_memory_file()
        try:
            self.sealed = self._seal(like)
        except BaseException:
            os.close(self._inputs)
            raise
        self._parcel = parcel.pack(self.sealed, task.surroundings)
        self.address: str = ""
        self.instance: str = ""
        self.last_heard = 0
        self.sent_at: float | None = None
        self.is_over = False
        self._permit_sent = self._comes_home = False
        self._remark = ""

    def _seal(self, like: Running | None) -> SealedCall:
        if not isinstance(like, RemoteRunning) or like._inputs < 0:
            return seal(self.task.call, self._inputs)
        os.close(self._inputs)
        self._inputs = os.dup(like._inputs)
        return like.sealed.with_options(self.task.call.options)

    def release(self) -> None:
        """Hand it to the engine."""
        self._line.do(self._send())

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it."""
        self._line.do(self._ask_if_permitted("interrupt"))

    def tell(self, message: Message) -> None:
        """Hand it a message."""
        self._line.do(self._ask_if_permitted("tell", message=json.dumps(message)))

    def end(self, *, at_once: bool = False) -> None:
        """End it and all that it started."""
        self._line.do(self._end(at_once))

    async def _send(self) -> None:
        if self.is_over:
            return
        self.sent_at = time.monotonic()
        try:
            await self._line.send(self)
        except Exception as error:  # noqa: BLE001 - whatever the engine raises, the job hears it
            self.fail(f"the task can't be sent: {type(error).__name__}: {error}")

    async def _end(self, at_once: bool) -> None:
        grace = self.task.grace
        if self.is_over:
            return
        if self._permit_sent:
            seconds = None if at_once else (grace.terminate_after_s, grace.kill_after_s)
            await self._ask("end", grace=seconds)
        else:
            if self.sent_at is not None:
                await self._line.withdraw(self)
            self._finish(Died(None, True, Usage()))

    async def _ask_if_permitted(self, what: str, **values: Any) -> None:
        if self._permit_sent and not self.is_over:
            await self._ask(what, **values)

    async def _ask(self, what: str, **values: Any) -> Any:
        """Ask until there is an answer, or it is over."""
        while not self.is_over:
            try:
                return await self._line.ask(self, what, values)
            except Unreachable:
                await asyncio.sleep(1.0)
        return None

    def hear(self, address: str, instance: str, frames: Sequence[Frame]) -> bool:
        """Take what its worker has sent; whether something before it was missed."""
        if self.is_over:
            return False
        if instance != self.instance:
            if self._permit_sent:
                self._line.refuse(self.run_id, address, instance)
                self.lose(f"its worker {self.address} was lost while it ran")
                return False
            self.address, self.instance, self.last_heard = address, instance, 0
            self._line.do(self._permit(instance))
        for number, kind, body in frames:
            if number > self.last_heard + 1:
                return True
            if number == self.last_heard + 1:
                self.last_heard = number
                self._take(kind, body)
        return not frames

    async def _permit(self, instance: str) -> None:
        size, offset = os.fstat(self._inputs).st_size if self._inputs >= 0 else 0, 0
        while offset < size and self._inputs >= 0:
            data = os.pread(self._inputs, _PIECE_BYTES, offset)
            await self._ask("put", offset=offset, data=data)
            offset += len(data)
        if self.is_over or instance != self.instance:
            return
        self._permit_sent = True
        order = {"parcel": self._parcel}
        limit_bytes = self.task.surroundings.memory_limit_bytes
        if await self._ask("go", **order, memory_limit_bytes=limit_bytes) is None:
            self.lose(f"its worker {self.address} was lost as it began")
        self._parcel = b""
        self._close_inputs()

    def _take(self, kind: str, body: bytes) -> None:
        if kind in ("stdout", "stderr"):
            self._tell_listener(lambda: self._listener.on_output(kind, body))
        elif kind == "message":
            message = json.loads(body.decode("utf-8", "surrogatepass"))
            self._tell_listener(lambda: self._listener.on_message(message))
            if message.get("kind") == "hello":
                self.remark("")
                self._note(self._line.place_of(self.address))
        elif kind == "refused":
            self.fail(body.decode())
        elif kind == "end":
            self._comes_home = True
            # Written by our own code there; what the job itself has pickled stays sealed in it.
            self._line.do(self._bring_home(pickle.loads(body)))  # noqa: S301

    def _note(self, text: str) -> None:
        self._tell_listener(lambda: self._listener.on_message({"kind": "note", "text": text}))

    def _tell_listener(self, call: Callable[[], object]) -> None:
        watcher.call_soon(call)

    async def _bring_home(self, report: Mapping[str, Any]) -> None:
        if "died" in report:
            self._finish(report["died"])
        elif "error" in report:
            self._finish(Raised(report["error"], report["usage"]))
        else:
            fd = await self._fetch_results(report["size"])
            if fd is None:
                self.lose(f"its worker {self.address} was lost with its results")
            else:
                values = Values(Store(fd), report["entries"])
                self._finish(Returned(values, report["usage"]))

    async def _fetch_results(self, size: int) -> int | None:
        fd, offset = open_memory_file(), 0
        while offset < size:
            data = await self._ask("read", offset=offset, size=min(_PIECE_BYTES, size - offset))
            if not data:
                os.close(fd)
                return None
            offset += os.pwrite(fd, data, offset)
        return fd

    def remark(self, text: str) -> None:
        """Say how it stands, for its card; empty when there is nothing to say."""
        if text != self._remark and not self.is_over:
            self._remark = text
            message = {"kind": "remark", "text": text}
            self._tell_listener(lambda: self._listener.on_message(message))

    def worker_is_gone(self, how: str) -> None:
        """Its worker will not answer any more; the engine finds another if it had not begun."""
        if self._permit_sent:
            self.lose(how)
        else:
            self.address = self.instance = ""

    def lose(self, what: str) -> None:
        """Nobody can say how it ended."""
        self._finish(Raised(JobLost(f"{what}: {_UNKNOWN}"), Usage()))

    def fail(self, why: str) -> None:
        """It never ran."""
        self._finish(Raised(BackendError(f"backend {self._line.name!r}: {why}"), Usage()))

    def task_is_over(self, error: BaseException | None) -> None:
        """The engine says that its part has ended."""
        if self.is_over or self._comes_home:
            return
        if not self._permit_sent:
            text = "" if error is None else f": {type(error).__name__}: {error}"
            self.fail(f"the task could not be run{text}")
        else:
            self._line.look_soon(self)

    def abandon(self) -> None:
        """The line is taken down."""
        self._finish(Died(None, True, Usage()))

    def _finish(self, outcome: Outcome) -> None:
        if self.is_over:
            return
        self.remark("")
        self.is_over = True
        self._close_inputs()
        self._tell_listener(lambda: self._listener.on_end(outcome))
        self._line.forget(self)

    def _close_inputs(self) -> None:
        inputs, self._inputs = self._inputs, -1
        if inputs >= 0:
            os.close(inputs)
