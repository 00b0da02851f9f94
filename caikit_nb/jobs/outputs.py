"""The variables that a job gave back, and those that it has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from caikit_nb.errors import UnpicklableError
from caikit_nb.jobs.job import Job


class Outputs(Mapping[str, Any]):
    """The ``--out`` variables of a job, each rebuilt when it is asked for, once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if name not in self._job.value_names():
                raise KeyError(name)
            self._loaded[name] = self._job.value(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._job.value_names())

    def __len__(self) -> int:
        return len(self._job.value_names())

    def __repr__(self) -> str:
        return f"<outputs {', '.join(self) or 'none'}>"


class Made(Mapping[str, Any]):
    """What a job's cell has made and no ``--out`` names, rebuilt when one is asked for."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loaded: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in self._job.made.names:
            raise KeyError(name)
        if self._loaded is None:
            self._loaded = self._job.made.load()
        value = self._loaded[name]
        if isinstance(value, UnpicklableError):
            raise value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._job.made.names)

    def __len__(self) -> int:
        return len(self._job.made.names)

    def __repr__(self) -> str:
        return f"<made {', '.join(self) or 'nothing'}>"
