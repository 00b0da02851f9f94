"""What another process is doing."""

from __future__ import annotations


def wants_to_run(pid: int) -> bool:
    """Whether it runs or waits for a processor or a disk, rather than for a lock."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"R", b"D")
    except OSError:
        return False
