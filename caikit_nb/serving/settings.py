"""What a server is started with; plain data that crosses to its process."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from caikit_nb.serving.limits import ServerLimits

_LONGEST_SOCKET_PATH = 100  # bytes: what Linux takes is 107


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server listens, and what it loads.

    Attributes:
        root: Where models may lie.
        host: The address it listens at.
        port: The port; 0 for any that is free.
        socket: The path of a unix socket, instead of host and port.
        tls: The files of a certificate and its key, in PEM.
        token: What callers have to show; None for nothing.
        trusted: Where files may lie whose reading runs their code.
        models: What is loaded at the start: path and type by name.
        limits: What it may hold.
        drain_s: How long requests have to be answered once it stops.
        takes_over: An older server of ours listens there until this one does.

    Raises:
        ValueError: a value that isn't accepted.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 0
    socket: Path | None = None
    tls: tuple[Path, Path] | None = None
    token: str | None = field(default=None, repr=False)
    trusted: tuple[Path, ...] = ()
    models: tuple[tuple[str, str, str], ...] = ()
    limits: ServerLimits = field(default_factory=ServerLimits)
    drain_s: float = 30.0
    takes_over: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.port, bool) or not isinstance(self.port, int):
            raise ValueError(f"port must be a whole number from 0 to 65535, not {self.port!r}")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, not {self.port}")
        if self.socket is not None and len(str(self.socket).encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"the socket's path is longer than {_LONGEST_SOCKET_PATH} bytes")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("the token must be printable ASCII text")
        for file in (*(self.tls or ()),):
            if not file.is_file():
                raise ValueError(f"tls needs the files of a certificate and its key: no {file}")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.socket is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def target(self, port: int) -> str:
        """What a client connects to."""
        if self.socket is not None:
            return f"unix:{self.socket}"
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
