"""What runs in a server's process: the server, until it is told to stop.

It has a process of its own, so that requests are answered while a cell runs, a kernel that serves
can still fork its jobs, and a model that crashes doesn't take the kernel along.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from caikit_nb.errors import ServerError
from caikit_nb.serving.loading import learned
from caikit_nb.serving.memory import pickled_bytes
from caikit_nb.serving.model_table import ModelTable
from caikit_nb.serving.picture import ServerPicture, picture_of
from caikit_nb.serving.settings import ServerSettings

if TYPE_CHECKING:
    from caikit_nb.serving.server import GrpcServer

logger = logging.getLogger(__name__)

Tell = Callable[[ServerPicture], None]
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PACE_S = 0.5


class ServerRun:
    """One run of a server.

    Args:
        settings: How.
        objects: Models that are there already, by name: functions, estimators.
        tell: Hears how it stands, when that changes.
        version: What it says its version is.
    """

    def __init__(
        self, settings: ServerSettings, objects: dict[str, Any], tell: Tell, version: str
    ) -> None:
        self._settings, self._objects, self._tell = settings, objects, tell
        self._version = version
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Have it end; may be called from any thread, and before it has begun."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stopping.set)

    def serve(self) -> None:
        """Serve until `stop`, or SIGTERM or SIGINT.

        Raises:
            ServingError: it can't listen, or a model of the settings can't be loaded.
        """
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._stopping.set)
        _own_signals_in_forks()
        # What models are made of is imported once, in what the processes of loads are forked from.
        multiprocessing.set_forkserver_preload(["caikit_nb.serving.preload"])
        changed = asyncio.Event()
        settings = self._settings
        table = ModelTable(settings.root, settings.limits, settings.trusted, changed.set)
        server = _new_server(settings, table, self._version)
        try:
            if await self._unless_stopped(self._load_models(table)):
                target = settings.target(server.start())
                await self._unless_stopped(self._keep_telling(table, target, changed))
                self._tell(picture_of(table, target, is_stopping=True))
        finally:
            await server.stop()
            await table.close()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do some work to its end; False if it was cut short because the server is to stop."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopping.cancel()
            await working
            return True
        working.cancel()
        await asyncio.wait([working])
        return False

    async def _load_models(self, table: ModelTable) -> None:
        for name, made in self._objects.items():
            table.add(name, await asyncio.to_thread(learned, made, pickled_bytes(made)))
        for name, path, model_type in self._settings.models:
            await table.load(name, path, model_type, pin=True)

    async def _keep_telling(self, table: ModelTable, target: str, changed: asyncio.Event) -> None:
        told: ServerPicture | None = None
        while True:
            changed.clear()
            picture = picture_of(table, target)
            if picture != told:
                self._tell(picture)
                told = picture
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PACE_S):
                    await changed.wait()
            await asyncio.sleep(_PACE_S / 5)


def _new_server(settings: ServerSettings, table: ModelTable, version: str) -> GrpcServer:
    # Read when gRPC is imported. In a process that a model forks, gRPC would start its threads anew
    # on the server's connections, and some of these processes would end by a fault.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        from caikit_nb.serving.server import GrpcServer
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise ServerError(
            "gRPC's packages don't fit each other: "
            f'pip install "caikit_nb[serving]" "tritonclient[grpc]" mends that ({error})'
        ) from error

    return GrpcServer(settings, table, version)


def _own_signals_in_forks() -> None:
    """A process that a model forks is ended by its own signals, and not we by them.

    It has a copy of the way by which signals reach our loop. Until that is cut off they wait.
    """
    forking = threading.local()

    def hold() -> None:
        forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, forking.mask)

    def forget() -> None:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        let_go()

    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=forget)
