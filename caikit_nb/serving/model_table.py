"""The models of a server by id, and the one place where their states change.

An id goes LOADING → LOADED → UNLOADING and is gone then. All of it happens on one event loop, so
each step sees the table as it is; only files and models are worked on in threads. From these only
`ModelTable.get` may be called.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from caikit_nb.errors import (
    InvalidRequestError,
    LoadAbortedError,
    ModelMissingError,
    ModelRefusedError,
    ServingError,
)
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.loaders.loader_types import AUTO, choose_loader
from caikit_nb.serving.loading import Load, Loaded
from caikit_nb.serving.model_files import (
    check_files,
    estimate_bytes,
    find_model,
    is_trusted,
    real_place,
)
from caikit_nb.serving.served_model import ServedModel

logger = logging.getLogger(__name__)

_ESTIMATE_S = 0.06
# What a model holds, guessed from above by its files.
_LEAST_BYTES = 2**21
_MEMORY_PER_DISK = 2
_MOST_BYTES = 2**63 - 1


class State(Enum):
    """What becomes of an id."""

    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from.

    Attributes:
        path: As it was given; empty for an object of the owner's.
        model_type: A loader's name.
    """

    path: str
    model_type: str


@dataclass(slots=True, eq=False)
class Entry:
    """A model's place in the table.

    Attributes:
        id: Its id.
        source: Where it comes from.
        state: How it stands.
        is_pinned: The owner's own: no purge takes it.
        work: The load, or the unload.
        waiting: How many wait for the load.
        served: The model, once it is loaded.
    """

    id: str
    source: Source
    state: State = State.LOADING
    is_pinned: bool = False
    work: asyncio.Task[None] | None = None
    waiting: int = 0
    served: ServedModel | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class ModelTable:
    """The table.

    Args:
        root: Where models may lie.
        limits: What it may hold.
        trusted: Where files may lie whose reading runs their code.
        on_change: Called when a state has changed.
    """

    def __init__(
        self,
        root: Path,
        limits: ServerLimits,
        trusted: tuple[Path, ...] = (),
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._root, self.limits, self._trusted = root, limits, trusted
        self._on_change = on_change
        self._entries: dict[str, Entry] = {}
        self._loads = asyncio.Semaphore(limits.max_loading)

    def entries(self) -> list[Entry]:
        """All that is there, oldest first."""
        return list(self._entries.values())

    def get(self, model_id: str) -> ServedModel:
        """A model that can be used.

        Raises:
            ModelMissingError: it isn't loaded.
        """
        entry = self._entries.get(model_id)
        # Read once: the loop's thread may take it away.
        served = None if entry is None or entry.state is not State.LOADED else entry.served
        if served is None:
            raise ModelMissingError(f"model {model_id!r} isn't loaded here")
        return served

    @property
    def pinned_bytes(self) -> int:
        """What the owner's own models hold."""
        served = (entry.served for entry in self.entries() if entry.is_pinned)
        return sum(each.size_bytes for each in served if each is not None)

    def add(self, model_id: str, loaded: Loaded) -> None:
        """Take an object of the owner's as a model."""
        entry = Entry(model_id, Source("", "object"), State.LOADED, is_pinned=True)
        entry.served = ServedModel(model_id, loaded.model, loaded.size_bytes, self.limits)
        self._entries[model_id] = entry
        self._on_change()

    async def load(self, model_id: str, path: str, model_type: str, *, pin: bool = False) -> int:
        """Load a model, and return its size in bytes; wait if that is being done already.

        If whoever waits for a load gives up, the load is ended.

        Raises:
            InvalidRequestError: the request isn't accepted, or the id is another model's.
            ModelMissingError: there is no such file.
            ModelRefusedError: it won't be loaded as things are.
            ModelTooLargeError: it holds more than may be.
            ModelLoadError: it can't be made of its file.
            LoadAbortedError: it was unloaded, or the server stops, meanwhile.
        """
        _check(model_id, path)
        source = Source(path, model_type)
        while (entry := self._entries.get(model_id)) is not None:
            if entry.state is State.UNLOADING:
                await entry.gone.wait()
                continue
            await self._check_same(entry, source)
            if self._entries.get(model_id) is entry:
                return await self._wait_for(entry)
        return await self._wait_for(self._begin(model_id, source, pin))

    async def _check_same(self, entry: Entry, source: Source) -> None:
        """Refuse another model under an id that is there; its file may be spelled differently."""
        if entry.source == source:  # usual, and known without looking at files
            return
        types = {entry.source.model_type, source.model_type}
        if len(types - {AUTO}) <= 1 and entry.source.path:
            places = await asyncio.to_thread(
                lambda: [real_place(self._root, each.path) for each in (entry.source, source)]
            )
            if places[0] == places[1]:
                return
        raise InvalidRequestError(
            f"model {entry.id!r} is loaded from {entry.source.path!r} as "
            f"{entry.source.model_type!r}: unload it first"
        )

    def _begin(self, model_id: str, source: Source, pin: bool) -> Entry:
        entry = Entry(model_id, source, is_pinned=pin)
        self._entries[model_id] = entry
        entry.work = asyncio.create_task(self._load(entry), name=f"load {model_id}")
        self._on_change()
        return entry

    async def _wait_for(self, entry: Entry) -> int:
        work = entry.work
        if entry.state is State.LOADING and work is not None:
            entry.waiting += 1
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                if work.cancelled():
                    raise LoadAbortedError(f"the load of {entry.id!r} was ended") from None
                raise
            finally:
                entry.waiting -= 1
                if not entry.waiting and entry.state is State.LOADING:
                    self._end(entry)
        if entry.served is None or entry.state is not State.LOADED:
            raise LoadAbortedError(f"model {entry.id!r} was unloaded meanwhile")
        return entry.served.size_bytes

    async def _load(self, entry: Entry) -> None:
        try:
            async with self._loads:
                loaded = await self._load_file(entry.source)
            entry.served = ServedModel(entry.id, loaded.model, loaded.size_bytes, self.limits)
            entry.state = State.LOADED
        except BaseException:
            self._remove(entry)
            raise
        self._on_change()

    async def _load_file(self, source: Source) -> Loaded:
        load = await asyncio.to_thread(self._prepare, source)
        running = asyncio.ensure_future(asyncio.to_thread(load.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The id is not free before nothing of the load is left.
            await asyncio.to_thread(load.stop)
            with contextlib.suppress(ServingError):
                await running
            raise

    def _prepare(self, source: Source) -> Load:
        """All that can be refused before anything is opened."""
        path = find_model(self._root, source.path)
        disk_bytes = check_files(path, self.limits.capacity_bytes)
        loader, file = choose_loader(source.model_type, path)
        if loader.needs_trust and not is_trusted(file, self._trusted):
            raise ModelRefusedError(
                f"reading a {loader.names[0]} file runs code that is in it, and {source.path!r} "
                "is not in a trusted folder: trust it, or save the model as skops or onnx"
            )
        return Load(loader, file, disk_bytes, self.limits.capacity_bytes)

    async def unload(self, model_id: str) -> None:
        """Unload a model; it is gone, and does not come, when this returns.

        Requests that are in it are answered first. An id that isn't there is gone already.
        """
        entry = self._entries.get(model_id)
        if entry is None:
            return
        if entry.state is not State.UNLOADING:
            self._end(entry)
        await entry.gone.wait()

    def _end(self, entry: Entry) -> None:
        loading = entry.work if entry.state is State.LOADING else None
        entry.state = State.UNLOADING
        entry.work = asyncio.create_task(self._unload(entry, loading), name=f"unload {entry.id}")
        self._on_change()

    async def _unload(self, entry: Entry, loading: asyncio.Task[None] | None) -> None:
        if loading is not None:
            loading.cancel()
            await asyncio.wait([loading])
        if entry.served is not None:
            await entry.served.close()
        self._remove(entry)

    def _remove(self, entry: Entry) -> None:
        entry.served = None
        if self._entries.get(entry.id) is entry:
            del self._entries[entry.id]
        entry.gone.set()
        self._on_change()

    async def purge(self) -> None:
        """Unload all but the owner's own."""
        ids = [entry.id for entry in self.entries() if not entry.is_pinned]
        await asyncio.gather(*(self.unload(each) for each in ids))

    async def close(self) -> None:
        """Unload all."""
        await asyncio.gather(*(self.unload(entry.id) for entry in self.entries()))

    async def predict_size(
        self, model_id: str, path: str, model_type: str, *, disk_bytes: int = 0
    ) -> int:
        """What a model will hold, guessed from above by its files.

        Args:
            model_id: Its id.
            path: Where it is.
            model_type: Its format.
            disk_bytes: What its files have, as somebody else says; 0 if nobody does.

        Raises:
            InvalidRequestError, ModelMissingError, ModelRefusedError: as with `load`.
        """
        _check(model_id, path)
        default = self.limits.default_model_bytes
        try:
            async with asyncio.timeout(_ESTIMATE_S + 0.02):
                found = await asyncio.to_thread(self._estimate, path)
        except TimeoutError:  # files that are slow to look at
            found = None
        known_bytes = max(found or 0, disk_bytes)
        if found is None and not disk_bytes:
            return default
        return min(_LEAST_BYTES + _MEMORY_PER_DISK * known_bytes, _MOST_BYTES)

    def _estimate(self, path: str) -> int | None:
        return estimate_bytes(find_model(self._root, path), _ESTIMATE_S)


def _check(model_id: str, path: str) -> None:
    """Refuse a request that doesn't say what is meant."""
    if not model_id:
        raise InvalidRequestError("modelId must not be empty")
    if not path:
        raise InvalidRequestError("modelPath must not be empty")
