"""A server from the outside: started in a process of its own, watched, stopped."""

from __future__ import annotations

import collections
import functools
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from caikit_nb.errors import ServerError, ServingError
from caikit_nb.execution.call import Call
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.exception_pickler import unpack
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, Raised
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.serving.picture import PICTURE, ModelPicture, ServerPicture
from caikit_nb.serving.settings import ServerSettings
from caikit_nb.serving.snippet import client_snippet
from caikit_nb.serving.socket_file import remove_if_dead

logger = logging.getLogger(__name__)

_NEEDED = ("grpc", "grpc_health", "grpc_reflection", "numpy")
_KEPT_LINES = 200
_KILL_AFTER_S = 5.0
_TOLD_S = 10.0
_changes = SerialThread("caikit_nb servers")


class ModelServer:
    """A model server that this process has started.

    It ends with `stop`, with the ``with`` block, and with this process. Made by `serve`.

    Args:
        name: What its owner calls it.
        settings: How it listens, and what it loads.
        objects: Models that are there already, by name.
        version: What it says its version is.

    Attributes:
        name: Its name.
        settings: As it was started.
        on_change: Called, in a thread of their own, after something has changed.

    Raises:
        ServerError: its packages aren't installed; names the extra.
        UnpicklableError: an object can't be sent to its process.
    """

    def __init__(
        self, name: str, settings: ServerSettings, objects: Mapping[str, Any], version: str
    ) -> None:
        _check_packages()
        from caikit_nb.serving.runner import run_server

        self.name, self.settings = name, settings
        self.on_change: list[Callable[[ModelServer], object]] = []
        self.picture: ServerPicture | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._news, self._ended, self._told = (threading.Event() for _ in range(3))
        self._outcome: Outcome | None = None
        self._is_stopped = False
        call = Call(run_server, dict(objects), {"settings": settings, "version": version})
        self._process: Any = DestroyableProcess(
            "spawn",
            name=f"caikit_nb server {name}",
            daemon=True,
            call=call,
            capture=True,
            listener=self,
            completion_event=threading.Event(),
            surroundings=Surroundings(
                directory=os.getcwd(),  # noqa: PTH109 - as text
                environment=dict(os.environ),
                module_path=tuple(sys.path),
                fresh_main=True,
            ),
        )
        self._process.start()

    def __repr__(self) -> str:
        return f"<ModelServer {self.name}: {self.state} at {self.target or 'no address yet'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """What clients connect to: ``127.0.0.1:41233``, ``unix:/path``; empty before it listens."""
        return "" if self.picture is None else self.picture.target

    @property
    def port(self) -> int:
        """The port that it listens at; 0 for a socket, and before it listens."""
        if self.settings.socket is not None or not self.target:
            return 0
        return int(self.target.rpartition(":")[2])

    @property
    def token(self) -> str | None:
        """What callers have to show; None for nothing."""
        return self.settings.token

    @property
    def models(self) -> tuple[ModelPicture, ...]:
        """Its models as they stood less than a second ago; none once it has ended."""
        return () if self.picture is None or self._ended.is_set() else self.picture.models

    @property
    def state(self) -> str:
        """``starting``, ``serving``, ``stopping``, ``stopped`` or ``failed``."""
        if self._ended.is_set():
            return "failed" if self.error is not None else "stopped"
        if self._is_stopped or (self.picture is not None and self.picture.is_stopping):
            return "stopping"
        return "starting" if self.picture is None else "serving"

    @property
    def is_running(self) -> bool:
        """Whether it takes requests, or will."""
        return self.state in ("starting", "serving")

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self._ended.is_set()

    @property
    def error(self) -> Exception | None:
        """Why it has ended; None if it was stopped, or has not ended."""
        outcome = self._outcome
        if isinstance(outcome, Raised):
            raised = outcome.error
            error = raised if isinstance(raised, BaseException) else unpack(raised)
            return error if isinstance(error, ServingError) else _server_error(error)
        if isinstance(outcome, Died) and not self._is_stopped:
            return ServerError(outcome.explanation.replace("the job's process", "the server"))
        return None

    @property
    def snippet(self) -> str:
        """Python source that asks its first model."""
        return client_snippet(self.settings, self.target, self.models)

    def logs(self, tail: int | None = None) -> str:
        """What it has printed; the newest lines.

        Args:
            tail: Only so many of the last lines.
        """
        lines = list(self._lines)
        return "".join(lines if tail is None else lines[-tail:])

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Wait until it serves.

        Args:
            timeout: Seconds to wait; None without end.

        Returns:
            True once it does, False if the time was over first.

        Raises:
            ServingError: it can't; says why.
        """
        if not self._news.wait(timeout):
            return False
        if self._ended.is_set():
            self._wait_until_told()
            if (error := self.error) is not None:
                raise error
        return True

    def stop(self, timeout: float | None = None) -> bool:
        """Have it end: requests that are there are answered first. Waits for its end.

        Args:
            timeout: Seconds to wait; None until it has ended.

        Returns:
            Whether it has ended.
        """
        self.begin_to_stop()
        if timeout is None:
            timeout = self.settings.drain_s + _KILL_AFTER_S
        if not self._ended.wait(timeout):
            self.kill()
        has_ended = self._ended.wait(_KILL_AFTER_S)
        if has_ended:
            self._wait_until_told()
        return has_ended

    def _wait_until_told(self) -> None:
        """A notebook's cell must not end before the card shows what is saved with it."""
        if not _changes.is_current:  # a listener must not wait for itself
            self._told.wait(_TOLD_S)

    def begin_to_stop(self) -> None:
        """Have it end; returns at once."""
        if not self._ended.is_set() and not self._is_stopped:
            self._is_stopped = True
            self._process.tell({"kind": "stop"})
            self._changed()

    def kill(self) -> None:
        """End it at once; returns before it has ended."""
        self._is_stopped = True
        self._process.end(Grace(0.0, 0.5))

    def on_output(self, stream: str, data: bytes) -> None:
        """See `ProcessListener`."""
        self._lines.extend(data.decode("utf-8", "replace").splitlines(keepends=True))

    def on_message(self, message: Message) -> None:
        """See `ProcessListener`."""
        if message.get("kind") == PICTURE:
            self.picture = ServerPicture.from_message(message["picture"])
            self._news.set()
            self._changed()

    def on_end(self, outcome: Outcome) -> None:
        """See `ProcessListener`."""
        self._outcome = outcome
        self._ended.set()
        self._news.set()
        if self.settings.socket is not None:
            remove_if_dead(self.settings.socket)
        self._changed()
        _changes.put(self._told.set)

    def _changed(self) -> None:
        for listener in list(self.on_change):
            _changes.put(functools.partial(listener, self))


def _server_error(error: BaseException) -> ServerError:
    made = ServerError(f"the server has failed: {type(error).__name__}: {error}")
    made.__cause__ = error
    return made


def _check_packages() -> None:
    """Look without importing: a kernel that has loaded grpc can't fork any more."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerError(f'serving needs {missing[0]}: pip install "caikit_nb[serving]"')
