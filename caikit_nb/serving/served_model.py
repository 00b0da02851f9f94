"""A loaded model and the requests in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from caikit_nb.errors import (
    InvalidRequestError,
    ModelBusyError,
    PredictionError,
    ServingError,
)
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.models import Model, Tensors
from caikit_nb.serving.statistics import Statistics


class ServedModel:
    """A model that answers requests, a few at once and the others in line.

    Args:
        model_id: Its id.
        model: It.
        size_bytes: What it holds.
        limits: How many at once.
    """

    def __init__(self, model_id: str, model: Model, size_bytes: int, limits: ServerLimits) -> None:
        self.id, self.model, self.size_bytes = model_id, model, size_bytes
        self.statistics = Statistics()
        self._most_waiting = limits.most_waiting
        self._slots = asyncio.Semaphore(limits.max_concurrency)
        self._threads = ThreadPoolExecutor(limits.max_concurrency, f"caikit_nb {model_id}")
        self._waiting = self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """Ask the model.

        Raises:
            InvalidRequestError: it doesn't take these tensors.
            ModelBusyError: too many wait for it.
            PredictionError: its code has failed.
        """
        began = time.monotonic()
        try:
            answer = await self._predict(tensors, wanted)
        except ServingError as error:
            self.statistics.add(began, time.monotonic(), str(error))
            raise
        self.statistics.add(began, time.monotonic())
        return answer

    async def _predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        if self._slots.locked() and self._waiting >= self._most_waiting:
            raise ModelBusyError(f"{self._waiting} requests wait for model {self.id!r}: try later")
        self._enter()
        self._waiting += 1
        try:
            await self._slots.acquire()
        except BaseException:
            self._leave()
            raise
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(_ask, self.model, tensors, wanted)
        # A client that is gone takes its request along, but not the thread that works on it.
        work.add_done_callback(lambda done: _call_soon(loop, self._free, done))
        return await asyncio.shield(asyncio.wrap_future(work))

    def _free(self, _: Future[Tensors]) -> None:
        self._slots.release()
        self._leave()

    def _enter(self) -> None:
        self._inside += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._idle.set()

    async def close(self) -> None:
        """Wait until the requests in it are answered."""
        await self._idle.wait()
        self._threads.shutdown(wait=False)


def _call_soon(loop: asyncio.AbstractEventLoop, call: object, done: Future[Tensors]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, done)  # type: ignore[arg-type]


def _ask(model: Model, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
    try:
        return model.predict(tensors, wanted)
    except ServingError:
        raise
    except ValueError as error:  # what libraries raise for values that they don't take
        raise InvalidRequestError(f"the model refused the tensors: {error}") from error
    except Exception as error:
        raise PredictionError(f"the model failed: {type(error).__name__}: {error}") from error
