"""Loads a model: in a process that can be killed, where what it loads can be pickled."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.errors import (
    LoadAbortedError,
    ModelLoadError,
    ModelRefusedError,
    ModelTooLargeError,
    ServingError,
    UnpicklableError,
)
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.exception_pickler import unpack
from caikit_nb.execution.outcome import Outcome, Raised, Returned
from caikit_nb.execution.process_reader import Silent
from caikit_nb.serving.loaders.base import Loader
from caikit_nb.serving.memory import private_bytes
from caikit_nb.serving.model_kinds import as_model, learn
from caikit_nb.serving.models import Model

logger = logging.getLogger(__name__)

START_METHOD = "forkserver"
_SPARE_BYTES = 2**30
# One model after the other, so that what the process grows by is that model's.
_building = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and what it holds.

    Attributes:
        model: It.
        size_bytes: Measured: what came from its process, or what this one grew by if that is
            more.
    """

    model: Model
    size_bytes: int


def learned(loaded: object, size_bytes: int) -> Loaded:
    """What was loaded as a model of which is known what it takes and gives.

    Raises:
        ModelRefusedError: it is no model.
    """
    model = as_model(loaded)
    learn(model)
    return Loaded(model, size_bytes)


class Load:
    """One load. `run` works in a thread of the caller's; `stop` ends it from another.

    Args:
        loader: For its format.
        path: The file.
        disk_bytes: What it has on disk.
        most_bytes: What the model may hold.
    """

    def __init__(self, loader: Loader, path: Path, disk_bytes: int, most_bytes: int) -> None:
        self._loader, self._path = loader, path
        self._disk_bytes, self._most_bytes = disk_bytes, most_bytes
        self._stopped = False
        self._ending = _Ending()
        self._process: Any = None
        if loader.is_killable:
            # A model and its pickle are there together for a moment.
            limit_bytes = 2 * most_bytes + _SPARE_BYTES
            self._process = DestroyableProcess(
                START_METHOD,
                target=_read,
                args=(loader, str(path)),
                destroy_grace_period=0,
                return_result=True,
                name=f"caikit_nb load {path.name}",
                listener=self._ending,
                surroundings=Surroundings(
                    module_path=tuple(sys.path), memory_limit_bytes=limit_bytes
                ),
            )

    def run(self) -> Loaded:
        """Load it.

        Raises:
            ServingError: it can't be loaded; says why.
        """
        try:
            loaded = self._run()
        except ServingError:
            raise
        except MemoryError as error:
            raise ModelTooLargeError(f"loading it took too much memory: {error}") from None
        except Exception as error:
            if self._stopped:
                raise LoadAbortedError("the load was cancelled") from None
            raise ModelLoadError(
                f"{self._path.name} can't be loaded as {self._loader.names[0]}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if loaded.size_bytes > self._most_bytes:
            raise ModelTooLargeError(f"the model takes {loaded.size_bytes} bytes of memory")
        return loaded

    def stop(self) -> None:
        """End it; returns when nothing of its process is left. Without one it runs to its end."""
        self._stopped = True
        if self._process is not None:
            self._process.destroy()

    def _run(self) -> Loaded:
        if self._process is None:
            return self._build(lambda: (self._loader.load(self._path), self._disk_bytes))
        try:
            self._process.start()
        except UnpicklableError as error:
            raise ModelRefusedError(f"the loader can't go to a process: {error}") from None
        if self._process.pid is not None:  # not stopped before it was there
            self._ending.ended.wait()
        if self._stopped:
            raise LoadAbortedError("the load was cancelled")
        return self._build(self._ending.take)

    def _build(self, make: Callable[[], tuple[Any, int]]) -> Loaded:
        with _building:
            # Two threads that import a package at once may each see half of it (a circular import).
            for name in self._loader.modules:
                _import_if_there(name)
            before = private_bytes()
            loaded, known_bytes = make()
            grown_bytes = private_bytes() - before
        return learned(loaded, max(known_bytes, grown_bytes, 1))


class _Ending(Silent):
    """Hears how the process of a load ends."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._outcome: Outcome | None = None

    def on_end(self, outcome: Outcome) -> None:
        """See `ProcessListener`."""
        self._outcome = outcome
        self.ended.set()

    def take(self) -> tuple[Any, int]:
        """What was loaded, and its bytes; raises what the load has raised."""
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Returned):
            return outcome.values.load(), outcome.values.size_bytes
        if isinstance(outcome, Raised):
            error = outcome.error
            raise error if isinstance(error, BaseException) else unpack(error)
        if outcome is not None and outcome.memory:
            raise MemoryError(outcome.memory)
        why = "why is unknown" if outcome is None else outcome.explanation
        raise ModelLoadError(f"the process that read the model has died: {why}")


def _read(loader: Loader, path: str) -> Any:
    """In the process of the load."""
    loaded = loader.load(Path(path))
    as_model(loaded)  # what is no model need not cross
    return loaded


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        logger.debug("%s isn't installed", name)
