"""Ports that stay free until somebody listens on them."""

from __future__ import annotations

import itertools
import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST = 10_000


def _candidates() -> list[int]:
    """Those that the system gives to nobody who asks for any port, in an order of this process."""
    try:
        first, last = map(int, _RANGE.read_text().split())
    except OSError:  # as Linux has it
        first, last = 32_768, 60_999
    ports = [*range(_LEAST, first), *range(last + 1, 65_536)]
    random.SystemRandom().shuffle(ports)
    return ports


_order = itertools.cycle(_candidates())


def free_port() -> int:
    """A port of the loopback interface that nobody listens on.

    Had the system chosen it, then somebody else's connection could have it by the time that it is
    listened on, which on a busy machine takes seconds.
    """
    for port in _order:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("the system keeps no port for those who name it")
