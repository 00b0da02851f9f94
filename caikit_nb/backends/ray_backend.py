"""Jobs on a Ray cluster (the extra ``ray``)."""

from __future__ import annotations

import asyncio
import atexit
import dataclasses
import importlib.util
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from caikit_nb.backends.backend_types import register_backend_type
from caikit_nb.backends.base import Running, Task, TaskListener
from caikit_nb.backends.cluster_backend import ClusterBackend
from caikit_nb.backends.ray_line import WANTS_TOKEN, RayLine
from caikit_nb.backends.remote_running import RemoteRunning
from caikit_nb.errors import BackendError

if importlib.util.find_spec("ray") is None:  # it is imported in its driver, and not in the kernel
    raise ImportError("No module named 'ray'")

_REACH_S, _START_S = 5.0, 60.0
_FOUND_ON_THE_WAY = (None, "auto", "local")  # addresses that only Ray itself can look up


class RayBackend(ClusterBackend):
    """Runs each task in a process of its own, held by an actor of a Ray cluster.

    Ray itself runs in a driver beside the kernel: when a Ray cluster is lost, Ray ends the
    driver's process.

    Args:
        config: ``address`` as `ray.init` takes it: ``HOST:6379`` where a node of the cluster runs
            on this machine, ``ray://HOST:10001`` from elsewhere; with none, what ``RAY_ADDRESS``
            says, else a cluster that is started on this machine. ``token`` for Ray's token
            authentication; with none, this user's own, if there is one. ``node_ip_address`` for
            a cluster that is started here. ``unreachable_s``, how long a worker may not answer
            before its job counts as lost.

    Raises:
        ValueError: another setting; names those that there are.
    """

    backend_type = "RAY"
    settings: ClassVar[Mapping[str, Any]] = {
        "address": None,
        "token": None,
        "node_ip_address": None,
        "unreachable_s": 120.0,
    }

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self._line: RayLine | None = None

    @property
    def is_started(self) -> bool:
        """Whether it was started, not stopped, and its driver lives."""
        return self._started and self._line is not None and self._line.is_alive

    def start(self) -> None:
        """Start the driver, which connects to the cluster.

        Raises:
            BackendError: it can't be reached; says what to do.
        """
        if self.is_started:
            return
        self.stop()
        address = self.config.get("address")
        _check_reachable(address)
        line, told = self._connect()
        count = f"{len(told['nodes'])} node{'s' * (len(told['nodes']) != 1)}"
        where = "a Ray cluster of this machine" if address is None else f"the Ray cluster {address}"
        self.summary = f"on {where} ({count})"
        self._line, self._started = line, True
        atexit.register(self.stop)

    def _connect(self) -> tuple[RayLine, Any]:
        try:
            return self._connect_with(self._environment())
        except BackendError as error:
            if WANTS_TOKEN not in str(error) or not self._may_send_own_token():
                raise
        # A cluster that was started on this machine wants it, since Ray 2.59. To one that is
        # given by its address Ray sends none unasked.
        return self._connect_with({**self._environment(), "RAY_AUTH_MODE": "token"})

    def _connect_with(self, environment: Mapping[str, str]) -> tuple[RayLine, Any]:
        line = RayLine(environment, float(self._setting("unreachable_s")))
        try:
            return line, line.ask_driver("init", _START_S, options=self._options())
        except BaseException:
            line.end_driver()
            raise

    def stop(self) -> None:
        """End what still runs, and the driver."""
        self._started = False
        line, self._line = self._line, None
        if line is not None:
            atexit.unregister(self.stop)
            if line.is_alive:
                asyncio.run_coroutine_threadsafe(line.close(), line.loop).result(_REACH_S)
            line.end_driver()

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        """Take a task (see `BackendBase.submit`).

        Raises:
            UnpicklableError: an input can't be pickled.
            BackendError: no node has the resources, or is the one, that it asks for.
        """
        if self._line is None:
            raise BackendError("backend 'ray' is not started")
        if task.options:
            nodes = self._line.ask_driver("describe", _REACH_S)["nodes"]
            node = _suitable_node(nodes, task.options)
            task = dataclasses.replace(task, options={**task.options, "node": node})
        return RemoteRunning(task, listener, self._line, like)

    def _options(self) -> dict[str, Any]:
        options = {"address": self.config.get("address")}
        if self.config.get("node_ip_address") is not None:
            options["_node_ip_address"] = self.config["node_ip_address"]
        return options

    def _environment(self) -> dict[str, str]:
        token, found = self.config.get("token"), {"RAY_USAGE_STATS_ENABLED": "0"}
        if self.config.get("address") not in _FOUND_ON_THE_WAY:
            # It tries once a second, 20 times as shipped, and somebody listens there already.
            found["RAY_NUM_REDIS_GET_RETRIES"] = "5"
        if token is not None:
            found |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": str(token)}
        return found

    def _may_send_own_token(self) -> bool:
        is_open = self.config.get("token") is None and "RAY_AUTH_MODE" not in os.environ
        return is_open and _has_own_token()


def _has_own_token() -> bool:
    """Whether there is a token of this user where Ray itself looks for it."""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(path).is_file()


def _check_reachable(address: str | None) -> None:
    """See that somebody listens there: Ray itself tries for half a minute."""
    if address in _FOUND_ON_THE_WAY:
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), _REACH_S).close()
    except (OSError, ValueError) as error:
        raise BackendError(
            f"backend 'ray': no Ray cluster answers at {address} within {_REACH_S:g} s "
            f"({type(error).__name__}); see that it runs, and that this machine may reach it"
        ) from error


def _suitable_node(nodes: Mapping[str, Any], options: Mapping[str, Any]) -> str | None:
    """The node that a job must run on; None for any.

    Raises:
        BackendError: none has what it asks for; says what they have.
    """
    on, resources = options.get("on"), options.get("resources") or {}
    placed = {name: node for name, node in nodes.items() if on is None or on in node["names"]}
    if not placed:
        known = ", ".join(node["names"][1] for node in nodes.values())
        raise BackendError(f"backend 'ray': --on {on}: there is no such node; use {known}")
    fitting = [
        name
        for name, node in placed.items()
        if all(node["resources"].get(kind, 0) >= amount for kind, amount in resources.items())
    ]
    if not fitting:
        wanted = " ".join(f"{kind}={amount:g}" for kind, amount in resources.items())
        has = ", ".join(
            " ".join(f"{k}={n:g}" for k, n in node["resources"].items() if ":" not in k)
            for node in placed.values()
        )
        raise BackendError(
            f"backend 'ray': --resources {wanted}: no node has that much; they have {has}"
        )
    return None if on is None else fitting[0]


register_backend_type(RayBackend)
