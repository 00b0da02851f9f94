"""The line to the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from distributed import Client, Future

from caikit_nb.backends.dask_checks import suitable_workers
from caikit_nb.backends.dask_task import OP, run_task
from caikit_nb.backends.line import Line
from caikit_nb.backends.remote_running import LineDown, RemoteRunning, Unreachable

logger = logging.getLogger(__name__)

# A look at a worker is soon repeated; a piece of a value may take its time on a slow line.
_LOOK_S, _ANSWER_S = 5.0, 60.0
_HELLO, _SAY_AGAIN_S = {"hello": "kernel"}, 0.02
_PYTHON = tuple(sys.version_info[:2])


class DaskLine(Line):
    """Speaks through the scheduler: the kernel need not reach the workers themselves.

    Args:
        client: A client with a thread of its own for its loop.
        unreachable_s: See `Line`.
        reconnect_s: How long a job goes on when Dask has lost the client, and it is not back.
    """

    name = "dask"

    def __init__(self, client: Client, unreachable_s: float, reconnect_s: float) -> None:
        loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop
        super().__init__(loop, unreachable_s)
        self._client, self._reconnect_s = client, reconnect_s
        self._topic = f"caikit_nb-{uuid.uuid4().hex}"
        self._futures: dict[str, Future] = {}
        self._listener: Any = None
        self._turn: asyncio.Task[None] | None = None
        self._scheduler = str(client.scheduler.address)

    @property
    def is_alive(self) -> bool:
        """Whether the client can still be used."""
        return str(self._client.status) != "closed"

    async def send(self, running: RemoteRunning) -> None:
        """Submit the task that will run it."""
        self.admit(running)
        await self.tend()
        chosen = running.task.options
        workers = suitable_workers(await self.described_workers(), chosen) if chosen else None
        future = self._client.submit(
            run_task,
            self._topic,
            running.run_id,
            _PYTHON,
            self._reconnect_s,
            key=running.run_id,
            pure=False,
            retries=0,
            resources=dict(chosen.get("resources") or {}) or None,
            workers=workers if chosen.get("on") is not None else None,
            allow_other_workers=False,
        )
        self._futures[running.run_id] = future
        self.do(self._follow(running, future))

    async def tend(self) -> None:
        """Listen to the workers, with another client when the one before was cut off.

        It is none that has work on the cluster: Dask still sends events to one that has just
        connected anew, which may fail of them for good.
        """
        if self._turn is None:
            if self._listener is not None and self._listener.status == "running":
                return
            self._turn = self.loop.create_task(self._turn_to_another())
        await asyncio.shield(self._turn)

    async def _turn_to_another(self) -> None:
        before = self._listener
        self._listener = listener = Client(
            self._scheduler,
            security=self._client.security,
            asynchronous=True,
            set_as_default=False,
            timeout=_LOOK_S,
        )
        try:
            await listener
            await self._hear(listener)
        except Exception as error:  # noqa: BLE001 - without it all is heard, only later
            logger.debug("no events of %s: %s", self._scheduler, error)
            await _closed(listener)
        finally:
            await _closed(before)
            self._turn = None

    async def _hear(self, listener: Client) -> None:
        """Listen to the workers, and return once the scheduler has taken that note.

        It takes it by another connection than the one of the tasks: what a worker says before is
        told to nobody. So something is said until it is heard.
        """
        heard = asyncio.Event()

        def on_event(event: tuple[float, dict[str, Any]]) -> None:
            if event[1] == _HELLO:
                heard.set()
            else:
                self._on_event(event)

        listener.subscribe_topic(self._topic, on_event)
        async with asyncio.timeout(_LOOK_S):
            while not heard.is_set():
                await listener.log_event(self._topic, _HELLO)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), _SAY_AGAIN_S)

    async def close(self) -> None:
        """End all that runs, and listen no more."""
        await _closed(self._listener)
        await super().close()

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        self.on_push(event[1]["address"], event[1])

    async def _follow(self, running: RemoteRunning, future: Future) -> None:
        try:
            await future
        except asyncio.CancelledError:  # by us, or as the scheduler is lost: its worker knows
            return
        except Exception as error:  # noqa: BLE001 - whatever stopped it
            running.task_is_over(error)
        else:
            running.task_is_over(None)

    async def withdraw(self, running: RemoteRunning) -> None:
        """Cancel its future."""
        self.let_go(running)

    def let_go(self, running: RemoteRunning) -> None:
        """Release its future: nothing of it stays on the cluster."""
        future = self._futures.pop(running.run_id, None)
        if future is not None:
            future.release()

    async def call(self, address: str, what: str, values: Mapping[str, Any]) -> Any:
        """Ask by way of the scheduler."""
        # It would try for half a minute to reach a worker that it has lost.
        if not await self._asked("ncores", workers=[address]):
            raise Unreachable(f"worker {address} is gone")
        silent = f"worker {address} doesn't answer"
        try:
            async with asyncio.timeout(_LOOK_S if what in ("fetch", "drop") else _ANSWER_S):
                answers = await self._asked(
                    "broadcast",
                    None,
                    msg={"op": OP, "what": what, "values": dict(values)},
                    workers=[address],
                    on_error="return_pickle",
                )
        except TimeoutError:
            raise Unreachable(silent) from None
        answer = answers.get(address)
        if isinstance(answer, bytes):
            raise Unreachable(silent)
        return None if answer is None else answer["answer"]

    async def _asked(self, what: str, limit_s: float | None = _LOOK_S, **values: Any) -> Any:
        """An answer of the scheduler."""
        try:
            async with asyncio.timeout(limit_s):
                return await getattr(self._client.scheduler, what)(**values)
        except Exception as error:
            raise LineDown(f"the scheduler {self._scheduler} doesn't answer") from error

    async def workers(self) -> set[str]:
        """What the scheduler knows."""
        return set(await self.described_workers())

    async def described_workers(self) -> Mapping[str, Mapping[str, Any]]:
        """What the scheduler says of each worker, by address. Raises Unreachable."""
        described: Mapping[str, Mapping[str, Any]] = (await self._asked("identity"))["workers"]
        return described

    async def places(self, run_ids: set[str]) -> Mapping[str, str]:
        """What the scheduler knows."""
        processing = await self._asked("processing", workers=None)
        return {key: at for at, keys in processing.items() for key in keys if key in run_ids}

    def place_of(self, address: str) -> str:
        """The worker's address."""
        return f"it runs on the Dask worker {address}"

    async def why_it_waits(self, running: RemoteRunning) -> str:
        """Whether there are workers at all, or none of the kind."""
        workers = await self.workers()
        wishes = [f"{name}={amount:g}" for name, amount in _resources(running).items()]
        if running.task.options.get("on") is not None:
            wishes.append(str(running.task.options["on"]))
        if not workers:
            return "waiting: the cluster has no workers yet"
        wanted = f" with {', '.join(wishes)}" if wishes else ""
        count = f"{len(workers)} worker{'s' * (len(workers) > 1)}"
        return f"waiting for a free worker{wanted}; the cluster has {count}"


async def _closed(client: Any) -> None:
    if client is not None:
        with contextlib.suppress(Exception):  # whatever state it was in
            await client.close(timeout=_LOOK_S)
        client.status = "closed"  # or one that failed to connect anew fails again as it goes


def _resources(running: RemoteRunning) -> Mapping[str, float]:
    return running.task.options.get("resources") or {}
