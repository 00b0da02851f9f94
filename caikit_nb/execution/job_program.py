"""The program of a job's process on a machine that isn't its kernel's.

It runs as ``python -P job_program.py FD``, where FD has its `order`. What came from the kernel is
unpickled here, and in no process that is somebody else's.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any


def order(
    parcel: bytes, ends: dict[str, Any], mark: int, memory_limit_bytes: int | None
) -> dict[str, Any]:
    """What the program is told, in plain data.

    Args:
        parcel: The call, as `caikit_nb.execution.parcel` has packed it.
        ends: The descriptors of its channel, and its place mark.
        mark: The mark of all that it will start.
        memory_limit_bytes: How much it may allocate; None for as much as it likes.
    """
    return {
        "path": list(sys.path),
        "parcel": parcel,
        "ends": ends,
        "mark": mark,
        "memory_limit_bytes": memory_limit_bytes,
    }


def main(fd: int) -> None:
    """Run what the order says."""
    with open(fd, "rb") as file:
        # Plain data, from the process that has started us.
        told = pickle.load(file)  # noqa: S301
    # Before anything of ours is imported: it may be only on the path of who started us.
    sys.path[:] = told["path"]
    from caikit_nb.execution import child, parcel

    child.main(parcel.opened(told))


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[1]), False)
    main(int(sys.argv[1]))
