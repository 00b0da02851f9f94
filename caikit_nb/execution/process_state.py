"""What another process is doing."""

from __future__ import annotations

import os

_BUSY = (b"R", b"D")  # it has a processor or waits for one, or for a disk


def wants_to_run(pid: int) -> bool:
    """Whether it runs or waits for a processor or a disk, rather than for a lock."""
    return any(state in _BUSY for state, *_ in _threads(pid))


def standing_threads(pid: int) -> list[tuple[bytes, ...]] | None:
    """Its threads, if all of them sleep; None if one runs or waits for a processor or a disk.

    Two equal answers say that none of them has run in between: each carries how often it was
    woken. One answer says little, as a thread may have woken one that was looked at before.
    """
    threads = _threads(pid)
    return None if any(state in _BUSY for state, *_ in threads) else threads


def _threads(pid: int) -> list[tuple[bytes, ...]]:
    """State, number and context switches of each thread; none for a process that is gone."""
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    threads = (_thread(f"/proc/{pid}/task/{name}/status") for name in sorted(names))
    return [thread for thread in threads if thread]


def _thread(path: str) -> tuple[bytes, ...]:
    try:
        with open(path, "rb") as file:
            lines = dict(line.split(b":", 1) for line in file.read().splitlines())
    except OSError:  # it has just ended
        return ()
    switches = (b"voluntary_ctxt_switches", b"nonvoluntary_ctxt_switches")
    state = lines[b"State"].split()[0]
    return state, lines[b"Pid"].strip(), *(lines.get(key, b"").strip() for key in switches)
