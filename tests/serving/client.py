"""A client of a server: management by our stub, inference by a real Triton client.

Importing it loads grpc: see conftest.py.
"""

from typing import Any, Self

import grpc
import numpy as np
import tritonclient.grpc as triton

from caikit_nb.serving import model_runtime_pb2 as pb
from caikit_nb.serving import model_runtime_pb2_grpc

WAIT_S = 180


class Client:
    """It.

    Args:
        target: The server's.
        root_certificates: For TLS.

    Attributes:
        loaded: The ids that it has loaded.
        runtime: The stub of ModelRuntime.
        triton: The Triton client.
    """

    def __init__(self, target: str, root_certificates: str | None = None) -> None:
        if root_certificates is None:
            self.channel = grpc.insecure_channel(target)
        else:
            with open(root_certificates, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            self.channel = grpc.secure_channel(target, credentials)
        self.runtime = model_runtime_pb2_grpc.ModelRuntimeStub(self.channel)
        self.triton = triton.InferenceServerClient(
            target, ssl=root_certificates is not None, root_certificates=root_certificates
        )
        self.loaded: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.triton.close()
        self.channel.close()

    def load(self, model_id: str, path: str, model_type: str = "auto", **more: Any) -> Any:
        return self.loading(model_id, path, model_type, **more).result()

    def loading(
        self, model_id: str, path: str, model_type: str = "auto", key: str = "", **more: Any
    ) -> Any:
        """Begin a load; returns the call."""
        self.loaded.add(model_id)
        request = pb.LoadModelRequest(
            modelId=model_id, modelPath=path, modelType=model_type, modelKey=key
        )
        return self.runtime.loadModel.future(request, timeout=WAIT_S, **more)

    def unload(self, model_id: str, **more: Any) -> Any:
        request = pb.UnloadModelRequest(modelId=model_id)
        answer = self.runtime.unloadModel(request, timeout=WAIT_S, **more)
        self.loaded.discard(model_id)
        return answer

    def size(self, model_id: str) -> int:
        request = pb.ModelSizeRequest(modelId=model_id)
        return self.runtime.modelSize(request, timeout=WAIT_S).sizeInBytes

    def predicted_size(
        self, model_id: str, path: str, model_type: str = "auto", key: str = ""
    ) -> int:
        request = pb.PredictModelSizeRequest(
            modelId=model_id, modelPath=path, modelType=model_type, modelKey=key
        )
        return self.runtime.predictModelSize(request, timeout=WAIT_S).sizeInBytes

    def status(self) -> Any:
        return self.runtime.runtimeStatus(pb.RuntimeStatusRequest(), timeout=WAIT_S)

    def infer(self, model: str, values: Any, datatype: str = "", **more: Any) -> Any:
        """Ask with one raw tensor; the answer's arrays by name."""
        values = np.asarray(values)
        tensor = triton.InferInput("x", values.shape, datatype or triton_type(values))
        tensor.set_data_from_numpy(values)
        answer = self.triton.infer(model, [tensor], client_timeout=WAIT_S, **more)
        return {each.name: answer.as_numpy(each.name) for each in answer.get_response().outputs}


def triton_type(values: Any) -> str:
    from tritonclient.utils import np_to_triton_dtype

    return np_to_triton_dtype(values.dtype)


def code(call: Any) -> str:
    """The code that a call fails with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name
    except triton.InferenceServerException as error:
        return error.status().removeprefix("StatusCode.")
    return "OK"
