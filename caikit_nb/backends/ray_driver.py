"""Ray's driver, in a process of its own.

When a Ray cluster is lost, Ray ends the process of the driver: that must not be the kernel. This
one is started as ``python -m caikit_nb.backends.ray_driver FD`` and speaks with its kernel through
the socket FD. It ends with its kernel, and Ray then ends the actors.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
import struct
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from caikit_nb.backends.ray_actor import RunActor
from caikit_nb.backends.ray_line import WANTS_TOKEN

_HEAD = struct.Struct("<I")
_WRONG_TOKEN = "InvalidAuthToken"  # what its server says


async def read(reader: asyncio.StreamReader) -> Any:
    """The next message; None at the end."""
    try:
        (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        # From our own kernel, or our own driver.
        return pickle.loads(await reader.readexactly(size))  # noqa: S301
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def write(writer: asyncio.StreamWriter, message: Any) -> None:
    """Send a message."""
    body = pickle.dumps(message)
    writer.write(_HEAD.pack(len(body)) + body)


class Driver:
    """Answers one kernel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._actors: dict[str, Any] = {}
        self._at: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer until the kernel is gone."""
        while (question := await read(self._reader)) is not None:
            self._spawn(self._answer(*question))

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, what: str, values: Mapping[str, Any]) -> None:
        try:
            answer = ("answer", await getattr(self, f"_{what}")(**values))
        except Exception as error:  # noqa: BLE001 - the kernel hears of it, whatever it is
            answer = ("error", f"{type(error).__name__}: {error}".strip().partition("\n")[0])
        write(self._writer, (number, *answer))

    async def _init(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        try:  # it blocks, and nothing else is asked before
            ray.init(**options, log_to_driver=False, namespace="caikit_nb")
        except Exception as error:
            if _WRONG_TOKEN in "".join(traceback.format_exception(error)):  # deep in its causes
                raise PermissionError(WANTS_TOKEN) from None
            raise
        return await self._describe()

    async def _describe(self) -> Mapping[str, Any]:
        nodes = await asyncio.to_thread(ray.nodes)
        return {
            "nodes": {
                node["NodeID"]: {
                    "names": [node["NodeID"], node["NodeName"], node["NodeManagerAddress"],
                              node["NodeManagerHostname"]],
                    "resources": dict(node["Resources"]),
                }
                for node in nodes
                if node["Alive"]
            }
        }  # fmt: skip

    async def _send(
        self, run_id: str, python: tuple[int, int], resources: Mapping[str, float], on: str | None
    ) -> None:
        more = {name: n for name, n in resources.items() if name not in ("CPU", "GPU")}
        options: dict[str, Any] = {
            "num_cpus": resources.get("CPU", 1),
            "num_gpus": resources.get("GPU", 0),
            "resources": more,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": 16,
        }
        if on is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(on, soft=False)
        actor = ray.remote(RunActor).options(**options).remote(run_id, tuple(python))
        self._actors[run_id] = actor
        self._spawn(self._listen(run_id, actor))

    async def _listen(self, run_id: str, actor: Any) -> None:
        try:
            address = await asyncio.wrap_future(actor.begin.remote().future())
            self._at[address] = actor
            while run_id in self._actors:
                for event in await asyncio.wrap_future(actor.pushes.remote().future()):
                    write(self._writer, (None, "push", (address, event)))
        except Exception as error:  # noqa: BLE001 - of Ray, there are very many kinds
            text = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
            write(self._writer, (None, "gone", (run_id, text)))

    async def _ask(self, address: str, what: str, values: Mapping[str, Any]) -> Any:
        actor = self._at.get(address)
        if actor is None:
            return None
        with contextlib.suppress(RayActorError):
            return await asyncio.wrap_future(actor.ask.remote(what, values).future())
        return None

    async def _kill(self, run_id: str) -> None:
        actor = self._actors.pop(run_id, None)
        if actor is not None:
            self._at = {at: other for at, other in self._at.items() if other is not actor}
            with contextlib.suppress(RayActorError, GetTimeoutError, ValueError):
                ray.kill(actor)


async def _main(fd: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd))
    await Driver(reader, writer).serve()
    with contextlib.suppress(Exception):
        ray.shutdown()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
