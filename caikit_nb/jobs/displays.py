"""The rich outputs of a job, in order with its text."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caikit_nb.execution.messages import Message
from caikit_nb.jobs.job_directory import make_job_directory

MAX_DISPLAYS = 100
MAX_BYTES = 20 * 2**20
MAX_FILE_BYTES = 256 * 2**20

# The form that a display is kept in as a file: the first that it has.
_FILES = (
    ("image/png", ".png"),
    ("image/jpeg", ".jpeg"),
    ("image/svg+xml", ".svg"),
    ("text/html", ".html"),
    ("text/plain", ".txt"),
)


@dataclass(frozen=True, slots=True)
class Display:
    """One rich output.

    Attributes:
        data: The MIME bundle; binary types as base64 text.
        metadata: Its metadata.
        at_byte: How much the job had printed before it.
        is_result: Whether it is the value of the cell's last expression.
        display_id: The id under which a later display may replace it; None for none.
        size_bytes: How much its data takes as JSON.
        number: Its place among those shown since the last `clear_output`, from 0.
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    at_byte: int
    is_result: bool = False
    display_id: str | None = None
    size_bytes: int = 0
    number: int = 0

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(self.data), dict(self.metadata)


class Displays(Sequence[Display]):
    """A job's rich outputs, bounded in number and bytes: the newest are kept.

    Args:
        directory: Where those that are left out go as files, up to a cap; None for nowhere.

    Attributes:
        begins_at: How much the job had printed when it last cleared its output.
        left_out: How many are not here any more.
    """

    __slots__ = (
        "_cleared_at",
        "_directory",
        "_file_bytes",
        "_files",
        "_items",
        "_next",
        "begins_at",
        "left_out",
    )

    def __init__(self, directory: Path | None = None) -> None:
        self._items: tuple[Display, ...] = ()
        self._cleared_at: int | None = None
        self._directory, self._files, self._file_bytes = directory, 0, 0
        self._next = 0
        self.begins_at = 0
        self.left_out = 0

    def __repr__(self) -> str:
        kinds = ["+".join(kind.rpartition("/")[2] for kind in item.data) for item in self._items]
        return f"<Displays {', '.join(kinds) or 'none'}>"

    def take(self, message: Message, at_byte: int) -> None:
        """Take a ``display`` or ``clear_output`` message."""
        if message["kind"] == "clear_output":
            self._cleared_at = at_byte
            if not message["wait"]:
                self.make_room()
            return
        self.make_room()
        shown = Display(
            message["data"],
            message["metadata"],
            at_byte,
            bool(message.get("result")),
            message.get("display_id"),
            len(json.dumps(message["data"])),
            self._next,
        )
        if message.get("update") and shown.display_id in [i.display_id for i in self._items]:
            self._items = tuple(_updated(item, shown) for item in self._items)
        else:
            self._next += 1
            self._items = (*self._items, shown)
        self._bound()

    def make_room(self) -> None:
        """New output comes: now what was to be cleared before it goes."""
        if self._cleared_at is not None:
            self.begins_at, self._cleared_at = self._cleared_at, None
            self._items, self._next = (), 0

    def _bound(self) -> None:
        held = self.size_bytes
        while len(self._items) > MAX_DISPLAYS or (held > MAX_BYTES and len(self._items) > 1):
            first, self._items = self._items[0], self._items[1:]
            held -= first.size_bytes
            self.left_out += 1
            self._write(first)

    def _write(self, display: Display) -> None:
        """Keep one that is left out as a file, where there is room."""
        kind = next((entry for entry in _FILES if entry[0] in display.data), None)
        if kind is None or self._directory is None:
            return
        data = _as_bytes(display.data[kind[0]], is_base64=kind[1] in (".png", ".jpeg"))
        if self._file_bytes + len(data) > MAX_FILE_BYTES:
            return
        with contextlib.suppress(OSError):  # the disk is full or the directory gone
            make_job_directory(self._directory.parent)
            self._directory.mkdir(mode=0o700, exist_ok=True)
            path = self._directory / f"{self.left_out:05}{kind[1]}"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
            self._files += 1
            self._file_bytes += len(data)

    @property
    def left_out_words(self) -> str:
        """What was left out, and where it is; empty if nothing was."""
        if not self.left_out:
            return ""
        were = "display is" if self.left_out == 1 else "displays are"
        text = f"{self.left_out} earlier {were} left out here"
        if not self._files:
            return text
        which = "" if self._files == self.left_out else f"{self._files} of them "
        return f"{text}: {which}in {self._directory}"

    @property
    def size_bytes(self) -> int:
        """Bytes held in memory."""
        return sum(shown.size_bytes for shown in self._items)

    @property
    def held_bytes(self) -> int:
        """Bytes held in memory and on disk."""
        return self.size_bytes + self._file_bytes

    @property
    def is_used(self) -> bool:
        """Whether there has been anything to show or to clear."""
        return bool(self._items or self.left_out or self.begins_at)

    def clear(self) -> None:
        """Drop them all, the files included."""
        self._items = ()
        if self._directory is not None and self._files:
            for path in self._directory.iterdir():
                with contextlib.suppress(OSError):
                    path.unlink()
            with contextlib.suppress(OSError):
                self._directory.rmdir()
        self._directory, self._files, self._file_bytes = None, 0, 0

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[Display]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def _updated(item: Display, shown: Display) -> Display:
    """The display with a new content, in its old place, if it is the one that is meant."""
    if item.display_id != shown.display_id:
        return item
    return replace(item, data=shown.data, metadata=shown.metadata, size_bytes=shown.size_bytes)


def _as_bytes(data: object, *, is_base64: bool) -> bytes:
    text = "".join(data) if isinstance(data, list) else str(data)
    if is_base64:
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(text)
    return text.encode("utf-8", "replace")
