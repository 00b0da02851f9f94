"""The processes beside a kernel that row "infer" needs: a client, and bare servers to compare with.

``python -m tests.benchmarks.grpc_processes client TARGET`` asks a model; ``… aio`` and
``… threads`` are servers, which write where they listen.
"""

import asyncio
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from caikit_nb.serving import inference_pb2 as pb
from caikit_nb.serving import inference_pb2_grpc
from tests.benchmarks.serving import MODEL

LENGTH = 1024  # of FP32: 4 kB


def ask(target: str) -> None:
    """For each number that is read: ask so often in turn; writes the median in seconds."""
    content = bytes(range(256)) * (LENGTH * 4 // 256)
    request = pb.ModelInferRequest(model_name=MODEL, raw_input_contents=[content])
    request.inputs.add(name="x", datatype="FP32", shape=[LENGTH])
    with grpc.insecure_channel(target) as channel:
        infer = inference_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        answer = infer(request, wait_for_ready=True, timeout=180)
        assert list(answer.raw_output_contents) == [content]
        for line in sys.stdin:
            times = [_timed(infer, request) for _ in range(int(line))]
            print(statistics.median(times), flush=True)


def _timed(infer: Any, request: Any) -> float:
    start = time.perf_counter()
    infer(request)
    return time.perf_counter() - start


def _echo(request: Any) -> Any:
    """What a model server's answer has, and no more."""
    answer = pb.ModelInferResponse(
        model_name=request.model_name,
        model_version="1",
        id=request.id,
        raw_output_contents=request.raw_input_contents,
    )
    for tensor in request.inputs:
        answer.outputs.add(name="output", datatype=tensor.datatype, shape=tensor.shape)
    return answer


class _Echo(inference_pb2_grpc.GRPCInferenceServiceServicer):
    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        return _echo(request)


class _EchoAsync(inference_pb2_grpc.GRPCInferenceServiceServicer):
    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        return _echo(request)


def _listen(server: Any, servicer: Any) -> None:
    inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    print(f"127.0.0.1:{port}", flush=True)


def serve_by_threads() -> None:
    """Until the end of the input."""
    server = grpc.server(ThreadPoolExecutor(2))
    _listen(server, _Echo())
    server.start()
    sys.stdin.read()
    server.stop(0).wait()


async def serve_by_a_loop() -> None:
    """Until the end of the input."""
    server = grpc.aio.server()
    _listen(server, _EchoAsync())
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


def main(what: str, *arguments: str) -> None:
    """Be one of them."""
    if what == "client":
        ask(*arguments)
    elif what == "threads":
        serve_by_threads()
    else:
        asyncio.run(serve_by_a_loop())


if __name__ == "__main__":
    main(*sys.argv[1:])
