"""The shared libraries of this process, looked up anew only when one has come or gone."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

from caikit_nb.execution.libc import libc

_MAPS = "/proc/self/maps"


class _Phdr(ctypes.Structure):
    """``dl_phdr_info``: a library as the dynamic linker knows it."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.c_void_p),
        ("header_count", ctypes.c_uint16),
        ("loads", ctypes.c_ulonglong),
        ("unloads", ctypes.c_ulonglong),
    )


Loads = tuple[int, int]
_counts: list[Loads] = []


_VisitType = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Phdr), ctypes.c_size_t, ctypes.c_void_p)


def _see(info: Any, size: int, _data: object) -> int:
    if size >= ctypes.sizeof(_Phdr):
        _counts.append((info.contents.loads, info.contents.unloads))
    return 1  # the first one has the counts, and no more are wanted


_visit = _VisitType(_see)


_seen: dict[str, tuple[Loads | None, list[str]]] = {}


def _loads() -> Loads | None:
    """How many libraries were ever loaded and unloaded here; None if the system doesn't say."""
    _counts.clear()
    with contextlib.suppress(AttributeError):
        libc.dl_iterate_phdr(_visit, None)
    return _counts[0] if _counts else None


def loaded_libraries(part: str) -> list[str]:
    """The files of the loaded libraries in whose paths `part` stands."""
    now = _loads()
    if part not in _seen or now is None or _seen[part][0] != now:
        _seen[part] = now, _mapped(part)
    return _seen[part][1]


def _mapped(part: str) -> list[str]:
    """Reading this takes a millisecond in a large process."""
    try:
        with open(_MAPS, encoding="utf-8", errors="replace") as file:
            paths = {line.split(None, 5)[-1].strip() for line in file if part in line}
    except OSError:
        return []
    return sorted(path for path in paths if path.startswith("/"))
