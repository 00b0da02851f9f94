"""Two hosts on one machine: network namespaces with a cable between them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Host:
    """One of the two.

    Attributes:
        name: Its namespace.
        address: Its own.
    """

    name: str
    address: str

    @property
    def enter(self) -> tuple[str, ...]:
        """What to put before a command that is to run there."""
        # Not `ip netns exec`, which hides control groups.
        return ("nsenter", f"--net=/run/netns/{self.name}")


@dataclass(frozen=True, slots=True)
class Cable:
    """What joins them."""

    near: Host
    far: Host
    device: str

    def pull(self) -> None:
        """Nothing comes through any more."""
        _ip("-n", self.near.name, "link", "set", self.device, "down")

    def plug(self) -> None:
        """It comes through again."""
        _ip("-n", self.near.name, "link", "set", self.device, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def two_hosts() -> Iterator[Cable]:
    """Two hosts; the test is skipped where there can be none."""
    if shutil.which("ip") is None or shutil.which("nsenter") is None or os.getuid() != 0:
        pytest.skip("NO TWO HOSTS: network namespaces need root, ip (iproute2) and nsenter")
    own = os.getpid()
    near, far = Host(f"near{own}", "10.77.0.1"), Host(f"far{own}", "10.77.0.2")
    cable = Cable(near, far, f"vn{own}")
    with contextlib.ExitStack() as undo:
        for host in (near, far):
            try:
                _ip("netns", "add", host.name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"NO TWO HOSTS: no network namespaces here: {error.stderr.decode()}")
            undo.callback(_ip, "netns", "del", host.name)
        _ip("link", "add", cable.device, "netns", near.name, "type", "veth",
            "peer", "name", f"vf{own}", "netns", far.name)  # fmt: skip
        for host, device in ((near, cable.device), (far, f"vf{own}")):
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", device)
            _ip("-n", host.name, "link", "set", "lo", "up")
            _ip("-n", host.name, "link", "set", device, "up")
        yield cable
