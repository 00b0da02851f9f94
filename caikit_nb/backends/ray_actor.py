"""What a Ray worker runs for us: an actor for each task, which holds our own process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from caikit_nb.backends.station import Station
from caikit_nb.execution import guard
from caikit_nb.execution.guardian import guardian

_LONG_POLL_S = 5.0
_LOOK_EVERY_S = 0.05


class RunActor:
    """One task. Its methods run in one event loop.

    Args:
        run_id: What its kernel calls it.
        python: The kernel's Python, major and minor.
    """

    def __init__(self, run_id: str, python: tuple[int, int]) -> None:
        if sys.version_info[:2] != tuple(python):
            here = ".".join(str(part) for part in sys.version_info[:2])
            raise RuntimeError(f"this worker has Python {here}, and the kernel has {python}")
        self._run_id, self._station = run_id, Station()
        self._pushed: list[Mapping[str, Any]] = []

    async def begin(self) -> str:
        """Be ready; gives the address of this actor."""
        self._loop, self._has_pushed = asyncio.get_running_loop(), asyncio.Event()
        self._address = f"{socket.gethostname()}, pid {os.getpid()}"
        _start_orphaned_guard()
        run = self._station.open(self._run_id, self._push)
        run.announce()

        def hold() -> None:
            while not run.wait(_LOOK_EVERY_S):
                pass
            self._station.close(run)

        threading.Thread(target=hold, name="caikit_nb run", daemon=True).start()
        return self._address

    def _push(self, event: Mapping[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._keep, event)

    def _keep(self, event: Mapping[str, Any]) -> None:
        self._pushed.append(event)
        self._has_pushed.set()

    async def pushes(self) -> list[Mapping[str, Any]]:
        """What the task has told since the last call; waits for it a while."""
        try:
            await asyncio.wait_for(self._has_pushed.wait(), _LONG_POLL_S)
        except TimeoutError:
            return []
        self._has_pushed.clear()
        pushed, self._pushed = self._pushed, []
        return pushed

    async def ask(self, what: str, values: Mapping[str, Any]) -> Any:
        """What a kernel asks for."""
        if what == "fetch":
            return self._station.fetch(values["heard"])
        return self._station.answer(what, values["run_id"], values)


def _start_orphaned_guard() -> None:
    """A guard that isn't our child: Ray ends the children of an actor with it, also our own guard.

    It would then leave what a job had started in other sessions.
    """
    first = guardian.first_mark
    last = first + guard.MARKS_PER_KERNEL - 1
    arguments = [str(number) for number in (os.getpid(), first, last)]
    command = [sys.executable, "-I", "-S", guard.__file__, *arguments]
    subprocess.run(
        ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *command],
        start_new_session=True,
        check=True,
    )
