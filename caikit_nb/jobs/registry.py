"""The jobs of a session, by name and id."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from weakref import WeakValueDictionary

from caikit_nb.jobs.job_future import JobFuture


class JobRegistry(Mapping[str, JobFuture]):
    """A mapping of a session's jobs by name; ids work as keys too.

    A name that is used again stands for the newest job of that name. The registry keeps its jobs
    until it is told to let one go: then that is found for as long as somebody else keeps it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: set[JobFuture] = set()
        self._by_id: WeakValueDictionary[str, JobFuture] = WeakValueDictionary()
        self._by_name: WeakValueDictionary[str, JobFuture] = WeakValueDictionary()
        self._ordinals = itertools.count(1)

    def add(self, future: JobFuture) -> None:
        """Take a job in."""
        with self._lock:
            self._kept.add(future)
            self._by_id[future.id] = future
            self._by_name.pop(future.name, None)  # so that iteration is by age
            self._by_name[future.name] = future

    def next_name(self) -> str:
        """``job_1``, ``job_2``, … for a job without a name of its own."""
        with self._lock:
            while (name := f"job_{next(self._ordinals)}") in self._by_name:
                pass
            return name

    def by_id(self, job_id: str) -> JobFuture | None:
        """The job of that id."""
        with self._lock:
            return self._by_id.get(job_id)

    def let_go(self, future: JobFuture) -> None:
        """Keep a job no longer."""
        with self._lock:
            self._kept.discard(future)

    def discard(self, future: JobFuture) -> None:
        """Forget a job, if it is still the one of its id."""
        with self._lock:
            self._kept.discard(future)
            for futures, key in ((self._by_id, future.id), (self._by_name, future.name)):
                if futures.get(key) is future:
                    del futures[key]

    def all(self) -> list[JobFuture]:
        """Every job, oldest first, also those whose name was used again."""
        with self._lock:
            return list(self._by_id.values())

    def __getitem__(self, key: str) -> JobFuture:
        with self._lock:
            found = self._by_name.get(key) or self._by_id.get(key)
        if found is None:
            known = ", ".join(list(self._by_name)[-10:]) or "there are none"
            raise KeyError(f"no job {key!r}; the session's jobs: {known}")
        return found

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._by_name))

    def __len__(self) -> int:
        return len(self._by_name)
