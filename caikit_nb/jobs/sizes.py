"""Sizes in bytes as people write and read them."""

import re
from fractions import Fraction
from numbers import Integral

from caikit_nb.execution.short_repr import short_repr

LARGEST = 2**63 - 1
"""The largest size: what a resource limit of the system can hold."""

_GRAMMAR = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?: ?(?P<unit>B|[kKMGTP]B|[KMGTP]iB))?",
)
_FACTORS = {prefix: power for power, prefix in enumerate("KMGTP", start=1)}
_ACCEPTED = "4GB, 512MiB, 100kB, or a number of bytes"


def parse_size(value: object) -> int:
    """Read a size in bytes.

    Args:
        value: A number of bytes, or text such as "1024", "4GB" (10^9) or "1.5 MiB" (2^20).
            A fraction of a byte is dropped.

    Raises:
        ValueError: `value` has no such form, is negative, or is larger than `LARGEST`.
    """
    size = _size_or_none(value)
    if size is None or not 0 <= size <= LARGEST:
        raise ValueError(f"{short_repr(value)} is not a size: use e.g. {_ACCEPTED}")
    return size


def format_size(size_bytes: int) -> str:
    """Show a number of bytes in decimal units, such as "1.2 GB" or "340 kB"."""
    if size_bytes < 0:
        return "-" + format_size(-size_bytes)
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount, prefixes = size_bytes / 1000, iter("kMGTP")
    unit = next(prefixes) + "B"
    while amount >= 999.5 and unit != "PB":
        amount, unit = amount / 1000, next(prefixes) + "B"
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def _size_or_none(value: object) -> int | None:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    match = _GRAMMAR.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match["number"]) > 40:
        return None
    unit = match["unit"] or "B"
    if unit == "B":
        return int(match["number"]) if match["number"].isdigit() else None
    base = 1024 if unit.endswith("iB") else 1000
    return int(Fraction(match["number"]) * base ** _FACTORS[unit[0].upper()])
