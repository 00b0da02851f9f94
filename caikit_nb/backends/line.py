"""The line between a kernel and the workers of an engine.

It listens to what the workers push, and looks after every worker once a second: what was missed
is fetched, and who doesn't answer is told on the cards until it answers, or is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any

from caikit_nb.backends.remote_running import LineDown, RemoteRunning, Unreachable

logger = logging.getLogger(__name__)

_BEAT_S = 1.0
_LONG_WAIT_S = 3.0  # waiting any longer is said


class Line(ABC):
    """Everything but `do`, `close` and the constructor runs in its loop.

    Args:
        loop: The engine's own event loop, which runs in another thread.
        unreachable_s: For how long a worker may be unreachable before its jobs count as lost.

    Attributes:
        name: The backend's, for people.
        loop: Its loop.
    """

    name = ""

    def __init__(self, loop: asyncio.AbstractEventLoop, unreachable_s: float) -> None:
        self.loop, self._unreachable_s = loop, unreachable_s
        self._runs: dict[str, RemoteRunning] = {}
        self._since: dict[str, float] = {}
        self._looking: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._beating = False

    @abstractmethod
    async def send(self, running: RemoteRunning) -> None:
        """Hand a task to the engine. Call `admit` first."""

    @abstractmethod
    async def withdraw(self, running: RemoteRunning) -> None:
        """Take a task back that has not begun."""

    @abstractmethod
    async def call(self, address: str, what: str, values: Mapping[str, Any]) -> Any:
        """Ask a worker's station; None if there is none. Raises Unreachable."""

    @abstractmethod
    async def workers(self) -> set[str]:
        """The addresses of all workers. Raises Unreachable."""

    @property
    @abstractmethod
    def is_alive(self) -> bool:
        """Whether the engine can still be spoken to, now or later."""

    @abstractmethod
    async def places(self, run_ids: set[str]) -> Mapping[str, str]:
        """At which address each task is that a worker has. Raises Unreachable."""

    @abstractmethod
    def let_go(self, running: RemoteRunning) -> None:
        """It is over: free what the engine holds for it."""

    @abstractmethod
    def place_of(self, address: str) -> str:
        """Where a task runs, for people."""

    @abstractmethod
    async def why_it_waits(self, running: RemoteRunning) -> str:
        """Why no worker has taken a task yet, for people. Raises Unreachable."""

    async def tend(self) -> None:  # noqa: B027
        """Called once a second: see that the engine's events are heard."""

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine in the loop; what it raises is logged. From any thread."""
        try:
            self.loop.call_soon_threadsafe(self._start, coroutine)
        except RuntimeError:  # the loop is closed, and everything was told then
            coroutine.close()

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds them weakly
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("the line to %s failed", self.name, exc_info=task.exception())

    def admit(self, running: RemoteRunning) -> None:
        """Look after a task from now on."""
        self._runs[running.run_id] = running
        if not self._beating:
            self._beating = True
            self.do(self._beat())

    def forget(self, running: RemoteRunning) -> None:
        """A task is over."""
        if self._runs.pop(running.run_id, None) is not None:
            self.let_go(running)
            if running.address:
                self.refuse(running.run_id, running.address, running.instance)

    def refuse(self, run_id: str, address: str, instance: str) -> None:
        """Have a worker drop a task."""
        self.do(self._refuse(run_id, address, instance))

    async def _refuse(self, run_id: str, address: str, instance: str) -> None:
        with contextlib.suppress(Unreachable):  # then it drops it by itself
            await self.call(address, "drop", {"run_id": run_id, "instance": instance})

    async def ask(self, running: RemoteRunning, what: str, values: Mapping[str, Any]) -> Any:
        """Ask a task's worker. Raises Unreachable."""
        identity = {"run_id": running.run_id, "instance": running.instance}
        return await self.call(running.address, what, {**identity, **values})

    def on_push(self, address: str, event: Mapping[str, Any]) -> None:
        """A worker has sent something."""
        running = self._runs.get(event["run"])
        if running is None:
            self.refuse(event["run"], address, event["instance"])
        elif running.hear(address, event["instance"], event["frames"]):
            self.look_soon(running)

    def look_soon(self, running: RemoteRunning) -> None:
        """Fetch what its worker has."""
        self.do(self._look(running.address))

    async def _beat(self) -> None:
        while self._runs:
            if not self.is_alive:
                self._lose_all()
                break
            self.do(self.tend())
            for address in {run.address for run in self._runs.values() if run.address}:
                self.do(self._look(address))
            waiting = [run for run in self._runs.values() if not run.address]
            with contextlib.suppress(Unreachable):
                await self._look_for(waiting)
            await asyncio.sleep(_BEAT_S)
        self._beating = False

    def _lose_all(self) -> None:
        for run in list(self._runs.values()):
            run.lose(f"the line to {self.name} is lost for good")

    async def _look_for(self, waiting: list[RemoteRunning]) -> None:
        """See where those are that nobody has announced, and say why they wait."""
        late = time.monotonic() - _LONG_WAIT_S
        waiting = [run for run in waiting if run.sent_at is not None and run.sent_at < late]
        if not waiting:
            return
        places = await self.places({run.run_id for run in waiting})
        for run in waiting:
            if run.run_id in places and not run.address:
                await self._fetch(places[run.run_id], [run])
            if not run.address:  # a worker may have put it aside until something is free
                run.remark(await self.why_it_waits(run))

    async def _look(self, address: str) -> None:
        if address in self._looking:
            return
        self._looking.add(address)
        try:
            more = True
            while more:
                runs = [run for run in self._runs.values() if run.address == address]
                more = bool(runs) and await self._fetch(address, runs)
        except Unreachable as error:
            await self._is_unreachable(address, error)
        else:
            self._is_reachable(address)
        finally:
            self._looking.discard(address)

    async def _fetch(self, address: str, runs: list[RemoteRunning]) -> bool:
        """Hear what was missed; whether there may be more."""
        heard = {run.run_id: (run.instance, run.last_heard) for run in runs}
        answer = await self.call(address, "fetch", {"heard": heard})
        more = False
        for run in runs:
            found = None if answer is None else answer.get(run.run_id)
            if found is not None:
                run.hear(address, *found)
                more = more or (bool(found[1]) and not run.is_over)
            elif run.address == address:
                run.worker_is_gone(f"its worker {address} has lost it")
        return more

    async def _is_unreachable(self, address: str, error: Unreachable) -> None:
        now = time.monotonic()
        since = self._since.setdefault(address, now)
        runs = [run for run in self._runs.values() if run.address == address]
        try:
            is_known = isinstance(error, LineDown) or address in await self.workers()
        except Unreachable as worse:
            is_known, error = True, worse
        if not is_known:
            for run in runs:
                run.worker_is_gone(f"its worker {address} was lost")
        elif now - since > self._unreachable_s:
            for run in runs:
                run.lose(f"{error} for {now - since:.0f} s")
        else:
            at = datetime.datetime.now().astimezone() - datetime.timedelta(seconds=now - since)
            for run in runs:
                run.remark(f"unreachable since {at:%H:%M:%S}: {error}")

    def _is_reachable(self, address: str) -> None:
        if self._since.pop(address, None) is not None:
            for run in self._runs.values():
                if run.address == address:
                    run.remark("")

    async def close(self) -> None:
        """End all that runs, and wait until the workers have heard of it."""
        runs = list(self._runs.values())
        self._runs.clear()
        for run in runs:
            self.let_go(run)
            run.abandon()
        stations = [self._refuse(r.run_id, r.address, r.instance) for r in runs if r.address]
        await asyncio.gather(*stations)
