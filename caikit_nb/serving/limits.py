"""What a server may hold and do at once; refused at the start if ModelMesh would refuse it."""

from __future__ import annotations

import os
from dataclasses import dataclass

_MIB = 2**20
_MOST_U32 = 2**32 - 1
_MOST_U64 = 2**64 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """The numbers of a server.

    ModelMesh stops at its start if they don't fit (contracts M9), so they are checked here.

    Attributes:
        capacity_bytes: What all models together may hold.
        max_loading: How many models are loaded at once.
        loading_timeout_ms: How long ModelMesh waits for a load.
        default_model_bytes: What a model is thought to hold while nothing better is known.
        max_concurrency: How many requests one model works on at once.
        max_waiting: How many more may wait for it; further ones are refused.
        max_message_bytes: The largest request (contracts M25).

    Raises:
        ValueError: a number that isn't accepted.
    """

    capacity_bytes: int = 10 * 1024 * _MIB
    max_loading: int = 2
    loading_timeout_ms: int = 121_000
    default_model_bytes: int = 18 * _MIB
    max_concurrency: int = len(os.sched_getaffinity(0))
    max_waiting: int = 256
    max_message_bytes: int = 16 * _MIB

    def __post_init__(self) -> None:
        _check("max_loading", self.max_loading, 1, _MOST_U32)
        _check("max_concurrency", self.max_concurrency, 1, _MOST_U32)
        _check("max_waiting", self.max_waiting, 0, _MOST_U32)
        _check("loading_timeout_ms", self.loading_timeout_ms, 100, _MOST_U32)
        _check("default_model_bytes", self.default_model_bytes, 1, _MOST_U64)
        _check("max_message_bytes", self.max_message_bytes, 1024, 2**31 - 1)
        _check("capacity_bytes", self.capacity_bytes, self.least_capacity_bytes, _MOST_U64)

    @property
    def least_capacity_bytes(self) -> int:
        """The least that ModelMesh takes for a capacity, with this default size of models."""
        default = self.default_model_bytes
        return max(2 * default, min(512 * _MIB, 10 * default))


def _check(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
