"""The names of experiments and the ids of jobs: both become parts of addresses and paths."""

from __future__ import annotations

import secrets
import string

_LONGEST = 200
_ID_CHARACTERS = string.ascii_letters + string.digits
_ID_LENGTH = 8


def check_name(name: object, what: str = "an experiment's name") -> str:
    """The name, if it can be one.

    Raises:
        ValueError: it can't; says what can.
    """
    if not isinstance(name, str):
        raise ValueError(f"{what} must be a text, not {type(name).__name__}")
    shown = name if len(name) <= 40 else f"{name[:40]}…"
    fault = _fault(name)
    if fault is not None:
        raise ValueError(
            f"{what} must be 1 to {_LONGEST} printable characters without / and \\, "
            f"and not . or ..: {shown!r} {fault}"
        )
    return name


def _fault(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if name in (".", ".."):
        return "means a directory"
    if len(name) > _LONGEST:
        return f"has {len(name)} characters"
    if "/" in name or "\\" in name:
        return "has a slash"
    if not name.isprintable():
        return "has a character that can't be printed"
    return None


def new_job_id() -> str:
    """A short random id that needs no quotes in addresses and shells (contracts S7)."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
