"""A job's inputs, kept in its directory so that it can be replayed.

The job itself writes them before it begins, so a forked job costs the kernel nothing for it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.errors import ReplayError, UnpicklableError
from caikit_nb.execution.transfer import Entry, Store, Writer

_VALUES, _INDEX = "inputs.bin", "inputs.json"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a job keeps its inputs, and how much of them.

    Attributes:
        directory: The job's.
        limit_bytes: What is larger isn't kept.
    """

    directory: str
    limit_bytes: int


def keep(keeping: Keeping | None, inputs: Callable[[], Mapping[str, Any]]) -> None:
    """Write the inputs down; a job must never fail of it."""
    if keeping is None or keeping.limit_bytes <= 0:
        return
    with contextlib.suppress(Exception):
        _write(Path(keeping.directory), inputs(), keeping.limit_bytes)


def _write(directory: Path, inputs: Mapping[str, Any], limit_bytes: int) -> None:
    fd = _open(directory / _VALUES)
    try:
        writer = Writer(fd, shared=True, main_globals=True, limit_bytes=limit_bytes)
        entries = [writer.add(name, value).to_message() for name, value in inputs.items()]
    finally:
        os.close(fd)
    draft = directory / f"{_INDEX}.new"
    with open(_open(draft), "w", encoding="utf-8") as file:
        json.dump(entries, file)
    draft.replace(directory / _INDEX)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def read(name: str, directory: Path) -> dict[str, Any]:
    """The inputs of a job again.

    Args:
        name: The job's name, for people.
        directory: The job's.

    Raises:
        ReplayError: they were not kept, or one of them can't be had.
    """
    try:
        entries = [
            Entry.from_message(entry) for entry in json.loads((directory / _INDEX).read_text())
        ]
        fd = os.open(directory / _VALUES, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError, KeyError, TypeError):
        raise ReplayError(name, "its inputs were not kept") from None
    values = Store(fd).load_all(entries)
    for value in values.values():
        if isinstance(value, UnpicklableError):
            raise ReplayError(name, str(value))
    return values


def drop(directory: Path) -> None:
    """Delete what was kept."""
    for file in (_INDEX, _VALUES):
        with contextlib.suppress(OSError):
            (directory / file).unlink()
