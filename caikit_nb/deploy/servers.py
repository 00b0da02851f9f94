"""The model servers of a session."""

from __future__ import annotations

import dataclasses
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from caikit_nb.deploy.model_source import ModelSource, Trusted, find_source
from caikit_nb.jobs.registry import JobRegistry
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.serving.settings import ServerSettings

logger = logging.getLogger(__name__)

_STOP_S = 5.0
_LIMITS = {field.name for field in dataclasses.fields(ServerLimits)}
_KNOWN = {"host", "port", "socket", "tls", "token", "root", "drain_s"} | _LIMITS


class Servers(Mapping[str, ModelServer]):
    """Them, by name.

    A name that is served again takes the place, and the address, of the older server, which
    answers until the new one does.

    Args:
        jobs: The session's jobs.
        version: What servers say their version is.

    Attributes:
        on_start: Called with each server that begins; a notebook shows it.
    """

    def __init__(self, jobs: JobRegistry, version: str) -> None:
        self._jobs, self._version = jobs, version
        self._servers: dict[str, ModelServer] = {}
        self.on_start: list[Callable[[ModelServer], object]] = []

    def start(
        self,
        source: Any,
        name: str | None,
        *,
        model_type: str = "auto",
        trusted: Trusted = False,
        **settings: Any,
    ) -> ModelServer:
        """See `caikit_nb.serve`."""
        found = find_source(source, trusted, self._jobs.all())
        name = name or found.name
        if not name.isprintable():
            raise ValueError(f"name must be printable text such as churn, not {name!r}")
        chosen, objects = _settings(found, name, model_type, settings)
        before = self._servers.get(name)
        if before is None or not before.is_running:
            server = self._servers[name] = ModelServer(name, chosen, objects, self._version)
            self._show(server)
            return _ready(server)
        # The older one answers until this one does, and further if this one never will.
        server = ModelServer(name, _taking_over(chosen, before), objects, self._version)
        self._show(server)
        _ready(server)
        self._servers[name] = server
        before.stop()
        return server

    def _show(self, server: ModelServer) -> None:
        for listener in self.on_start:
            try:
                listener(server)
            except Exception:
                logger.exception("a listener failed for %r", server)

    def __getitem__(self, name: str) -> ModelServer:
        if name not in self._servers:
            known = ", ".join(self._servers) or "there are none"
            raise KeyError(f"no server {name!r}; the session's servers: {known}")
        return self._servers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._servers))

    def __len__(self) -> int:
        return len(self._servers)

    def close(self) -> None:
        """Stop all; waits for it."""
        running = [server for server in self._servers.values() if server.is_running]
        for server in running:
            server.begin_to_stop()
        for server in running:
            server.stop(_STOP_S)


def _ready(server: ModelServer) -> ModelServer:
    try:
        server.wait_until_ready()
    except KeyboardInterrupt:
        server.kill()
        raise
    return server


def _taking_over(chosen: ServerSettings, before: ModelServer) -> ServerSettings:
    """At the older server's address, unless its owner wants another one."""
    if chosen.socket is not None:
        takes_over = chosen.socket == before.settings.socket
        return dataclasses.replace(chosen, takes_over=takes_over)
    if chosen.host != before.settings.host or chosen.port not in (0, before.port):
        return chosen
    return dataclasses.replace(chosen, port=before.port, takes_over=before.port != 0)


def _settings(
    found: ModelSource, name: str, model_type: str, given: dict[str, Any]
) -> tuple[ServerSettings, dict[str, Any]]:
    """What the owner says, as a server wants it."""
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise TypeError(f"unknown setting {unknown[0]!r}: they are {', '.join(sorted(_KNOWN))}")
    chosen = dict(given)
    limits = {
        key: parse_size(value) if key.endswith("_bytes") else value
        for key in _LIMITS
        if (value := chosen.pop(key, None)) is not None
    }
    if chosen.get("token") is True:
        chosen["token"] = secrets.token_urlsafe(24)
    chosen["token"] = chosen.get("token") or None
    if chosen.get("socket") is not None:
        chosen["socket"] = Path(chosen["socket"]).expanduser().absolute()
    if chosen.get("tls") is not None:
        certificate, key = chosen["tls"]
        chosen["tls"] = (Path(certificate), Path(key))
    objects: dict[str, Any] = {}
    models: tuple[tuple[str, str, str], ...] = ()
    root = Path.cwd()
    if found.path is None:
        objects = {name: found.model}
    else:
        root = found.path if found.path.is_dir() else found.path.parent
        models = ((name, str(found.path), model_type),)
    chosen["root"] = Path(chosen.get("root") or root).expanduser().absolute()
    settings = ServerSettings(
        limits=ServerLimits(**limits), trusted=found.trusted, models=models, **chosen
    )
    return settings, objects
