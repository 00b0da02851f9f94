"""The tagged, length-prefixed messages from a child to its parent.

A frame is a 4-byte little-endian length and that many bytes of JSON: an object with a ``kind``.
JSON, because the parent reads frames in the thread that watches every job, where nothing that a
job wrote may run code.
"""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from caikit_nb.execution.short_repr import short_repr

HEADER = struct.Struct("<I")
MAX_FRAME_BYTES = 32 * 2**20

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """A message as one frame. Bytes inside become base64 text, unknown objects their repr.

    Raises:
        ValueError: the frame would pass ``MAX_FRAME_BYTES``.
    """
    body = json.dumps(message, default=_plain, ensure_ascii=False, allow_nan=True)
    data = body.encode("utf-8", "surrogatepass")
    if len(data) > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {len(data)} bytes is over {MAX_FRAME_BYTES}")
    return HEADER.pack(len(data)) + data


def decode_bytes(text: str) -> bytes:
    """Bytes of a message again."""
    return base64.b64decode(text)


def _plain(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    with contextlib.suppress(Exception):  # the value's own code
        item = getattr(value, "item", None)
        if callable(item) and isinstance(number := item(), str | int | float):
            return number
    return short_repr(value, 1000)


class Decoder:
    """Puts frames together from whatever pieces a pipe hands out."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the next piece and give the messages that are whole now.

        Raises:
            ValueError: the bytes aren't frames (someone else wrote to the pipe).
        """
        self._pending += data
        while len(self._pending) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._pending)
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes announced")
            end = HEADER.size + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[HEADER.size : end])
            del self._pending[:end]
            yield json.loads(body.decode("utf-8", "surrogatepass"))
