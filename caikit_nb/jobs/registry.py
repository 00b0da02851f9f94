"""The jobs of a session, by name and id."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator, Mapping

from caikit_nb.jobs.job_future import JobFuture

_Entry = JobFuture | weakref.ref[JobFuture]
_FEW = 256


class JobRegistry(Mapping[str, JobFuture]):
    """A mapping of a session's jobs by name; ids work as keys too.

    A name that is used again stands for the newest job of that name.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, _Entry] = {}
        self._by_name: dict[str, _Entry] = {}
        self._many = _FEW
        self._ordinals = itertools.count(1)

    def add(self, future: JobFuture) -> None:
        """Take a job in."""
        with self._lock:
            self._by_id[future.id] = future
            self._by_name.pop(future.name, None)  # so that iteration is by age
            self._by_name[future.name] = future
            if len(self._by_id) > self._many:
                self._forget_the_dead()

    def loosen(self, future: JobFuture) -> None:
        """Know a job only as long as somebody else holds its future."""
        reference = weakref.ref(future)
        with self._lock:
            for futures, key in ((self._by_id, future.id), (self._by_name, future.name)):
                if futures.get(key) is future:
                    futures[key] = reference

    def _forget_the_dead(self) -> None:
        for futures in (self._by_id, self._by_name):
            for key in [key for key, entry in futures.items() if _future(entry) is None]:
                del futures[key]
        self._many = max(_FEW, 2 * len(self._by_id))

    def next_name(self) -> str:
        """``job_1``, ``job_2``, … for a job without a name of its own."""
        with self._lock:
            while (name := f"job_{next(self._ordinals)}") in self._by_name:
                pass
            return name

    def by_id(self, job_id: str) -> JobFuture | None:
        """The job of that id."""
        with self._lock:
            return _future(self._by_id.get(job_id))

    def discard(self, future: JobFuture) -> None:
        """Forget a job, if it is still the one of its id."""
        with self._lock:
            for futures, key in ((self._by_id, future.id), (self._by_name, future.name)):
                if _future(futures.get(key)) is future:
                    del futures[key]

    def all(self) -> list[JobFuture]:
        """Every job, oldest first, also those whose name was used again."""
        with self._lock:
            futures = [_future(entry) for entry in self._by_id.values()]
        return [future for future in futures if future is not None]

    def __getitem__(self, key: str) -> JobFuture:
        with self._lock:
            found = _future(self._by_name.get(key)) or _future(self._by_id.get(key))
        if found is None:
            known = ", ".join(list(self)[-10:]) or "there are none"
            raise KeyError(f"no job {key!r}; the session's jobs: {known}")
        return found

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            names = [name for name, entry in self._by_name.items() if _future(entry) is not None]
        return iter(names)

    def __len__(self) -> int:
        return len(list(iter(self)))


def _future(entry: _Entry | None) -> JobFuture | None:
    return entry() if isinstance(entry, weakref.ref) else entry
