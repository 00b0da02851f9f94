"""A loaded model and the requests in it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from threading import Lock

from caikit_nb.errors import (
    InvalidRequestError,
    ModelBusyError,
    ModelMissingError,
    PredictionError,
    ServingError,
)
from caikit_nb.serving.examples import SeenTensors
from caikit_nb.serving.faults import is_clients_fault
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.models import Model, Tensors
from caikit_nb.serving.results import as_array
from caikit_nb.serving.statistics import Statistics
from caikit_nb.serving.tensor_spec import TensorSpec

Wait = Callable[[Future[None]], None]
"""Waits for a future, and cancels it if nobody wants its value any more."""


class ServedModel:
    """A model that answers requests, a few at once and the others in line.

    It is made and closed on an event loop. `predict` works in the thread that calls it: handing a
    request to another one would take longer than a small model does.

    Args:
        model_id: Its id.
        model: It.
        size_bytes: What it holds.
        limits: How many at once.
    """

    def __init__(self, model_id: str, model: Model, size_bytes: int, limits: ServerLimits) -> None:
        self.id, self.model, self.size_bytes = model_id, model, size_bytes
        self._inputs = SeenTensors(lambda: model.inputs)
        self._outputs = SeenTensors(lambda: model.outputs)
        self.statistics = Statistics()
        self._most_waiting = limits.max_waiting
        self._lock = Lock()
        self._free, self._inside = limits.max_concurrency, 0
        self._line: deque[Future[None]] = deque()
        self._is_closing = False
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()

    def predict(self, tensors: Tensors, wanted: Sequence[str], wait: Wait) -> Tensors:
        """Ask the model.

        Args:
            tensors: The inputs.
            wanted: The names of the outputs; the usual ones if none is named.
            wait: How to stand in line.

        Raises:
            CancelledError: nobody wants the answer any more; the model wasn't asked.
            InvalidRequestError: it doesn't take these tensors.
            ModelBusyError: too many wait for it.
            ModelMissingError: it is being unloaded.
            PredictionError: its code has failed.
        """
        began = time.monotonic()
        try:
            self._enter(wait)
            try:
                answer = _ask(self.model, tensors, wanted)
            finally:
                self._leave()
        except ServingError as error:
            self.statistics.add(began, time.monotonic(), str(error))
            raise
        self.statistics.add(began, time.monotonic())
        self._inputs.add(tensors)
        self._outputs.add(answer)
        return answer

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What it takes; what it doesn't say itself, by the requests that it has answered."""
        return self._inputs.specs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What it gives, known in the same way."""
        return self._outputs.specs

    def _enter(self, wait: Wait) -> None:
        with self._lock:
            if self._is_closing:
                raise ModelMissingError(f"model {self.id!r} isn't loaded here")
            if not self._free and len(self._line) >= self._most_waiting:
                count = len(self._line)
                raise ModelBusyError(
                    f"{count} requests wait for model {self.id!r}, and no more may (max_waiting)"
                )
            self._inside += 1
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._line.append(turn)
        try:
            wait(turn)
        except CancelledError:
            with self._lock:
                if turn in self._line:
                    self._line.remove(turn)
                self._count_one_less()
            raise

    def _leave(self) -> None:
        with self._lock:
            self._count_one_less()
            while self._line:
                turn = self._line.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._free += 1

    def _count_one_less(self) -> None:
        self._inside -= 1
        if self._is_closing and not self._inside:
            self._loop.call_soon_threadsafe(self._idle.set)

    async def close(self) -> None:
        """Take no more requests, and wait until those in it are answered."""
        with self._lock:
            self._is_closing = True
            if not self._inside:
                return
        await self._idle.wait()


def _ask(model: Model, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
    try:
        answer = model.predict(tensors, wanted)
        return {name: as_array(name, each) for name, each in answer.items()}
    except ServingError:
        raise
    except BaseException as error:  # it may call `sys.exit`, and the client waits for an answer
        if isinstance(error, ValueError) and is_clients_fault(error):
            raise InvalidRequestError(f"the model refused the tensors: {error}") from error
        raise PredictionError(f"the model failed: {type(error).__name__}: {error}") from error
