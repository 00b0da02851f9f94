"""The gRPC server: all services on one port or socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from caikit_nb.errors import ServerError
from caikit_nb.serving import (
    inference,
    inference_pb2_grpc,
    model_runtime,
    model_runtime_pb2_grpc,
)
from caikit_nb.serving.access import TokenCheck
from caikit_nb.serving.inference import Inference
from caikit_nb.serving.messages_pool import POOL
from caikit_nb.serving.model_runtime import ModelRuntime
from caikit_nb.serving.model_table import ModelTable
from caikit_nb.serving.settings import ServerSettings

_SERVICES = (model_runtime.SERVICE, inference.SERVICE)
# How many calls may be there at once, each in a thread, in which most of them only wait.
_MOST_CALLS = 1000


class GrpcServer:
    """It, on a table of models. Made on the event loop of the table.

    Each call has a thread, in which also the model works: one that hands requests on to an event
    loop, and from there to the model's threads, takes half as long again for a small model.

    Args:
        settings: How it listens.
        table: The models.
        version: What it says its version is.
    """

    def __init__(self, settings: ServerSettings, table: ModelTable, version: str) -> None:
        self._settings = settings
        most_bytes = settings.limits.max_message_bytes
        self._server = grpc.server(
            ThreadPoolExecutor(_MOST_CALLS, "caikit_nb call"),
            maximum_concurrent_rpcs=_MOST_CALLS,
            interceptors=[] if settings.token is None else [TokenCheck(settings.token)],
            options=[
                ("grpc.max_receive_message_length", most_bytes),
                ("grpc.max_send_message_length", most_bytes),
                # Two servers on one port would share its calls, silently.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._health = health.HealthServicer()
        self._inference = Inference(table, version)
        add: Any = model_runtime_pb2_grpc.add_ModelRuntimeServicer_to_server
        add(ModelRuntime(table), self._server)
        add = inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server
        add(self._inference, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        _add_reflection(self._server)

    def start(self) -> int:
        """Listen; returns the port, 0 for a socket.

        Raises:
            ServerError: that isn't possible; says why.
        """
        try:
            port = self._listen()
        except (RuntimeError, OSError, ValueError) as error:
            where = self._settings.target(self._settings.port)
            raise ServerError(f"can't listen at {where}: {_first_line(error)}") from None
        self._server.start()
        if self._settings.socket is not None:
            self._settings.socket.chmod(0o600)
        for name in ("", *_SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return 0 if self._settings.socket is not None else port

    def _listen(self) -> int:
        settings = self._settings
        if settings.socket is not None:
            _refuse_socket_in_use(settings.socket)
        target = settings.target(settings.port)
        if settings.tls is None:
            return int(self._server.add_insecure_port(target))
        certificate, key = (file.read_bytes() for file in settings.tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        return int(self._server.add_secure_port(target, credentials))

    async def stop(self) -> None:
        """Take no more calls, and let those that are there be answered."""
        self._inference.is_ready = False
        self._health.enter_graceful_shutdown()
        await asyncio.to_thread(self._server.stop(self._settings.drain_s).wait)
        if self._settings.socket is not None:
            with contextlib.suppress(OSError):
                self._settings.socket.unlink()


def _add_reflection(server: Any) -> None:
    # Ours are in a pool of their own; those of the other services are looked up there, too.
    for module in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, POOL)


def _refuse_socket_in_use(path: Path) -> None:
    """A socket that nobody listens at any more is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(1.0)
        try:
            tried.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return
    raise ServerError("somebody listens there")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
