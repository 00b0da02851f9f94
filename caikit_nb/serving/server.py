"""The gRPC server: all services on one port or socket."""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
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
from caikit_nb.serving.answer_gate import AnswerGate
from caikit_nb.serving.inference import Inference
from caikit_nb.serving.messages_pool import POOL
from caikit_nb.serving.model_runtime import ModelRuntime
from caikit_nb.serving.model_table import ModelTable
from caikit_nb.serving.port_sharing import draw_connections, waiting_connections
from caikit_nb.serving.settings import ServerSettings
from caikit_nb.serving.socket_file import SocketFile, private_files

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
        self._socket: SocketFile | None = None
        self._port = 0
        self._gate = AnswerGate()
        checks = [] if settings.token is None else [TokenCheck(settings.token)]
        most_bytes = settings.limits.max_message_bytes
        self._server = grpc.server(
            ThreadPoolExecutor(_MOST_CALLS, "caikit_nb call"),
            maximum_concurrent_rpcs=_MOST_CALLS,
            interceptors=[self._gate, *checks],
            options=[
                ("grpc.max_receive_message_length", most_bytes),
                ("grpc.max_send_message_length", most_bytes),
                # For the moment in which a server takes over from an older one. Otherwise two on
                # one port would share its calls, silently; so `_refuse_port_in_use` looks first.
                ("grpc.so_reuseport", 1),
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
        if self._socket is not None:
            self._socket.show()
        elif self._settings.takes_over:
            draw_connections(port)
        for name in ("", *_SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._port = 0 if self._settings.socket is not None else port
        return self._port

    def _listen(self) -> int:
        settings = self._settings
        target = settings.target(settings.port)
        if settings.socket is not None:
            self._socket = SocketFile(settings.socket, takes_over=settings.takes_over)
            target = f"unix:{self._socket.hidden}"
        elif settings.port and not settings.takes_over:
            _refuse_port_in_use(settings.host, settings.port)
        with private_files():
            if settings.tls is None:
                return int(self._server.add_insecure_port(target))
            certificate, key = (file.read_bytes() for file in settings.tls)
            credentials = grpc.ssl_server_credentials([(key, certificate)])
            return int(self._server.add_secure_port(target, credentials))

    async def stop(self) -> None:
        """Take no more calls, and let those that are there be answered."""
        self._inference.is_ready = False
        self._health.enter_graceful_shutdown()
        await self._gate.close(lambda: waiting_connections(self._port) if self._port else 0)
        stopped = self._server.stop(self._settings.drain_s)
        self._gate.open()
        await asyncio.to_thread(stopped.wait)
        if self._socket is not None:
            self._socket.remove()


def _add_reflection(server: Any) -> None:
    # Ours are in a pool of their own; those of the other services are looked up there, too.
    for module in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, POOL)


def _refuse_port_in_use(host: str, port: int) -> None:
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as tried:
            # One that has just ended is in nobody's way, one that listens is.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                tried.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
