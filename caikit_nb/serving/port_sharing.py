"""Which of two servers on one port gets new connections, while one takes over from the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_SO_ATTACH_REUSEPORT_CBPF = 51  # which the module socket doesn't name
_RETURN = 0x06  # BPF_RET | BPF_K
_LISTENING = "0A"
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


def draw_connections(port: int) -> None:
    """Have all new connections to a port come to this process.

    Linux spreads them over all who listen there, and resets those that a listener has not
    accepted when it closes. A program of one instruction, which names this process's listener,
    keeps them off the older one. Where that can't be done they are spread.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        own, listening = _own_sockets(), _listeners()
        for each in listening:
            if each.inode in own and each.port == port:
                count = sum(other.address == each.address for other in listening)
                _choose(own[each.inode], count - 1)  # whoever came last is the last


def waiting_connections(port: int) -> int:
    """How many connections to this process's listener it has not accepted yet."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        own = _own_sockets()
        return sum(e.waiting for e in _listeners() if e.inode in own and e.port == port)
    return 0


@dataclass(frozen=True, slots=True)
class _Listener:
    """A socket that listens: the address as the kernel's tables write it, with the port."""

    address: str
    inode: int
    waiting: int

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2], 16)


def _listeners() -> list[_Listener]:
    rows = [
        line.split()
        for table in _TABLES
        if Path(table).exists()
        for line in Path(table).read_text("ascii").splitlines()[1:]
    ]
    return [
        _Listener(row[1], int(row[9]), int(row[4].partition(":")[2], 16))
        for row in rows
        if row[3] == _LISTENING
    ]


def _own_sockets() -> dict[int, int]:
    """This process's descriptors of sockets, by inode."""
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names only
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
            if target.startswith("socket:["):
                found[int(target[8:-1])] = int(name)
    return found


def _choose(descriptor: int, index: int) -> None:
    """Attach the program to the group that a listening socket belongs to."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", _RETURN, 0, 0, index))
    filter_ = struct.pack("@HP", 1, ctypes.addressof(program))
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, filter_)
