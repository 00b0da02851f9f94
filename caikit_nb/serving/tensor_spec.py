"""What a tensor of a model looks like; without NumPy, which a notebook need not load for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """It.

    Attributes:
        name: Its name.
        datatype: As the protocol names it, such as FP32; empty if any will do, or if that shows
            only when the model is asked.
        shape: Its lengths; -1 for any length, empty if that isn't known.
        example: A row that the model takes, as plain values; None for zeros or for any text.
        is_optional: A request may go without it.
    """

    name: str
    datatype: str = ""
    shape: tuple[int, ...] = ()
    example: Any = None
    is_optional: bool = False
