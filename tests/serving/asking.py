"""Asks model servers for a process that must not load grpc: a line of JSON in, a line out."""

import json
import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton

from caikit_nb.serving import model_runtime_pb2 as pb
from caikit_nb.serving import model_runtime_pb2_grpc as services


def ask(target: str, name: str, values: list[Any], token: str | None) -> str:
    """What a model gives for some numbers."""
    array = np.array(values, np.float64)
    tensor = triton.InferInput("x", array.shape, "FP64")
    tensor.set_data_from_numpy(array)
    headers = {"authorization": f"Bearer {token}"} if token else None
    client = triton.InferenceServerClient(target)
    answer = client.infer(name, [tensor], headers=headers)
    (output,) = answer.get_response().outputs
    return json.dumps(answer.as_numpy(output.name).tolist())


def load(target: str, path: str) -> str:
    """The code that a load is answered with, asked for as ModelMesh does."""
    request = pb.LoadModelRequest(modelId=path, modelPath=path, modelType="auto")
    with grpc.insecure_channel(target) as channel:
        try:
            services.ModelRuntimeStub(channel).loadModel(request)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def main() -> None:
    """Answer each line; what fails is the answer."""
    known: dict[str, Callable[..., str]] = {"ask": ask, "load": load}
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        try:
            answer = known[what](*arguments)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
