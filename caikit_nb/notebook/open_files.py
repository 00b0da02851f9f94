"""Files that the notebook's variables hold open, and a forked job has, too."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterable
from typing import Any

from caikit_nb.execution import io_kinds
from caikit_nb.execution.user_code import module_of


def flush(values: Iterable[object]) -> None:
    """Write what stands in buffers of files on disk.

    Before a fork, or the copy would hold it, too, and write it a second time; and at a job's end,
    as nobody else would write what the job has put there.
    """
    for value in values:
        # By its type: to ask an object may run the user's code, and so may a file of their own.
        kind = type(value)
        is_a_file = issubclass(kind, (io.TextIOWrapper, io_kinds.BUFFERED))
        if is_a_file and module_of(kind) != "__main__":
            with contextlib.suppress(Exception):
                _flush(value)


def _flush(file: Any) -> None:
    if not file.closed and file.writable() and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.flush()
