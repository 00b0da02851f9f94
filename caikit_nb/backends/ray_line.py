"""The line to the actors of a Ray cluster, by way of a driver that isn't the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

from caikit_nb.backends.line import Line
from caikit_nb.backends.remote_running import LineDown, RemoteRunning, Unreachable
from caikit_nb.errors import BackendError

_ANSWER_S = 60.0
_LOOK_S = 5.0
_HEAD = struct.Struct("<I")
WANTS_TOKEN = (
    "the cluster wants a token, and there is none or another one: "
    "backend_config = {'ray': {'token': …}}"
)


class RayLine(Line):
    """Starts a driver, and speaks with it in a thread of its own.

    Args:
        environment: Variables for the driver, such as Ray's token.
        unreachable_s: See `Line`.
    """

    name = "ray"

    def __init__(self, environment: Mapping[str, str], unreachable_s: float) -> None:
        super().__init__(asyncio.new_event_loop(), unreachable_s)
        ours, its = socket.socketpair()
        with its:
            self._driver = subprocess.Popen(
                [sys.executable, "-m", "caikit_nb.backends.ray_driver", str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,  # an interrupt of the kernel isn't meant for it
            )
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._alive, self._connected = True, threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ours,), name="caikit_nb ray line", daemon=True
        )
        self._thread.start()

    def _run(self, ours: socket.socket) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen(ours))
        self.loop.close()

    async def _listen(self, ours: socket.socket) -> None:
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._connected.set()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
                # From our own driver.
                self._take(*pickle.loads(await reader.readexactly(size)))  # noqa: S301
        self._alive = False
        for answer in self._answers.values():
            answer.cancel()
        self._lose_all()
        self._writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)
        self._driver.wait()

    def _take(self, number: int | None, kind: str, body: Any) -> None:
        if kind == "push":
            self.on_push(*body)
        elif kind == "gone":
            self._gone(*body)
        elif number is not None and (answer := self._answers.pop(number, None)) is not None:
            if answer.done():
                return
            if kind == "answer":
                answer.set_result(body)
            else:
                answer.set_exception(Unreachable(body))

    def _gone(self, run_id: str, why: str) -> None:
        running = self._runs.get(run_id)
        if running is not None and running.address:
            running.lose(f"its Ray worker on {running.address} was lost ({why})")
        elif running is not None:
            running.fail(f"no worker could take it: {why}")

    async def _asked(self, what: str, limit_s: float = _ANSWER_S, /, **values: Any) -> Any:
        if self._writer is None or not self._alive:
            raise LineDown("Ray's driver has ended")
        number = next(self._numbers)
        answer = self._answers[number] = self.loop.create_future()
        body = pickle.dumps((number, what, values))
        self._writer.write(_HEAD.pack(len(body)) + body)
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except (TimeoutError, asyncio.CancelledError) as error:
            raise LineDown("the Ray cluster doesn't answer") from error
        finally:
            self._answers.pop(number, None)

    def ask_driver(self, what: str, limit_s: float, **values: Any) -> Any:
        """Ask from another thread.

        Raises:
            BackendError: the driver refuses, or doesn't answer in time.
        """
        self._connected.wait(limit_s)
        question: Coroutine[Any, Any, Any] = self._asked(what, limit_s, **values)
        try:
            return asyncio.run_coroutine_threadsafe(question, self.loop).result(limit_s + 1)
        except (Unreachable, TimeoutError, RuntimeError) as error:
            raise BackendError(f"backend 'ray': {str(error) or 'no answer'}") from error

    @property
    def is_alive(self) -> bool:
        """Whether the driver lives: Ray ends it when the cluster is lost."""
        return self._alive

    async def send(self, running: RemoteRunning) -> None:
        """Make the actor that will run it."""
        self.admit(running)
        chosen = running.task.options
        await self._asked(
            "send",
            run_id=running.run_id,
            python=tuple(sys.version_info[:2]),
            resources=dict(chosen.get("resources") or {}),
            on=chosen.get("node"),
        )

    async def withdraw(self, running: RemoteRunning) -> None:
        """Kill its actor."""
        self.let_go(running)

    def let_go(self, running: RemoteRunning) -> None:
        """Kill its actor: nothing of it stays on the cluster."""
        self.do(self._kill(running.run_id))

    async def _kill(self, run_id: str) -> None:
        with contextlib.suppress(Unreachable):
            await self._asked("kill", run_id=run_id)

    async def call(self, address: str, what: str, values: Mapping[str, Any]) -> Any:
        """Ask an actor by way of the driver."""
        limit_s = _LOOK_S if what == "fetch" else _ANSWER_S
        return await self._asked("ask", limit_s, address=address, what=what, values=dict(values))

    async def workers(self) -> set[str]:
        """Those of whom the driver has not said that they are gone."""
        return {run.address for run in self._runs.values()}

    async def places(self, run_ids: set[str]) -> Mapping[str, str]:
        """Unknown: an actor announces itself, and what it pushes isn't lost."""
        return {}

    def place_of(self, address: str) -> str:
        """The actor's machine and process."""
        return f"it runs on the Ray worker {address}"

    async def why_it_waits(self, running: RemoteRunning) -> str:
        """What it waits for."""
        wishes = dict(running.task.options.get("resources") or {"CPU": 1})
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in wishes.items())
        return f"waiting for {wanted} to be free on the Ray cluster"

    def end_driver(self) -> None:
        """End the driver; Ray ends its actors then. From another thread."""
        self._driver.terminate()
        self._thread.join(_LOOK_S)
