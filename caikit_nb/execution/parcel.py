"""A call on its way to another machine, opened in the process that runs it and in no other."""

from __future__ import annotations

import os
import pickle
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from caikit_nb.execution.call import SealedCall
from caikit_nb.execution.channel import ChildEnd, SharedFd
from caikit_nb.execution.child import Start, Surroundings
from caikit_nb.execution.pickler import dumps


def pack(call: SealedCall, surroundings: Surroundings) -> bytes:
    """Everything but the inputs, which go on their own.

    The environment stays where it is: a worker's has its own paths, devices and secrets.
    """
    own = tuple(os.path.abspath(path) for path in surroundings.module_path or () if _is_own(path))
    around = replace(surroundings, environment=None, module_path=own, mark=0)
    return dumps((call, around))


def _is_own(path: str) -> bool:
    """Whether a place of modules is the user's own, and not Python's or of installed packages."""
    return not path.endswith(".zip") and not any(
        path == place or path.startswith(os.path.join(place, "lib-dynload"))
        for place in sysconfig.get_paths().values()
    )


def opened(told: Mapping[str, Any]) -> Start:
    """What to run, in the process that runs it."""
    # Packed by this user's own kernel, and carried here by the user's own cluster.
    call, around = pickle.loads(told["parcel"])  # noqa: S301
    known = set(sys.path)
    here = [path for path in around.module_path if path not in known and os.path.isdir(path)]
    surroundings = replace(
        around,
        mark=told["mark"],
        memory_limit_bytes=told["memory_limit_bytes"],
        module_path=(*sys.path, *here),
    )
    return Start(call, _end(told["ends"]), surroundings)


def _end(ends: Mapping[str, Any]) -> ChildEnd:
    fds = {name: SharedFd(fd) for name, fd in ends.items() if name != "mark"}
    for end in fds.values():
        os.set_inheritable(end.fd, False)
    return ChildEnd(mark=ends["mark"], **fds)


def plain(end: ChildEnd) -> dict[str, Any]:
    """The inverse of what `opened` makes of an end: plain data."""
    fds = {"line": end.line, "inputs": end.inputs}
    return {"mark": end.mark} | {n: fd.fd for n, fd in fds.items() if fd is not None}
