"""ModelMesh's ModelRuntime service on a table of models (contracts M6 to M21)."""

from __future__ import annotations

from typing import Any

from caikit_nb.serving import model_runtime_pb2 as pb
from caikit_nb.serving import model_runtime_pb2_grpc
from caikit_nb.serving.calls import OnLoop
from caikit_nb.serving.model_table import ModelTable
from caikit_nb.serving.model_types import model_type_of, read_model_key

SERVICE = "mmesh.ModelRuntime"
_RUNTIME_VERSION = "caikit_nb"
# What ModelMesh lets through, and where it puts the model's id: the name in the request.
_METHODS = {
    "inference.GRPCInferenceService/ModelInfer": (1,),
    "inference.GRPCInferenceService/ModelMetadata": (1,),
    "inference.GRPCInferenceService/ModelReady": (1,),
}


class ModelRuntime(model_runtime_pb2_grpc.ModelRuntimeServicer):  # type: ignore[misc]
    """The service. It is made on the event loop of the table, where its work is done.

    Args:
        table: The models.
    """

    def __init__(self, table: ModelTable) -> None:
        self._table, self._on_loop = table, OnLoop()

    def loadModel(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Answer when the model can be used; a call that is cancelled ends the load."""
        model_type = model_type_of(request.modelType, read_model_key(request.modelKey))
        size_bytes = self._on_loop.answered(
            context, self._table.load(request.modelId, request.modelPath, model_type)
        )
        return pb.LoadModelResponse(
            sizeInBytes=size_bytes, maxConcurrency=self._table.limits.max_concurrency
        )

    def unloadModel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer when the model is gone."""
        self._on_loop.answered(context, self._table.unload(request.modelId))
        return pb.UnloadModelResponse()

    def predictModelSize(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Guess from above, within 100 ms."""
        key = read_model_key(request.modelKey)
        model_type = model_type_of(request.modelType, key)
        predicted = self._table.predict_size(
            request.modelId, request.modelPath, model_type, disk_bytes=key.disk_bytes
        )
        size_bytes = self._on_loop.answered(context, predicted)
        return pb.PredictModelSizeResponse(sizeInBytes=size_bytes)

    def modelSize(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The size of a loaded model."""
        size_bytes = self._on_loop.answered(context, self._size(request.modelId))
        return pb.ModelSizeResponse(sizeInBytes=size_bytes)

    async def _size(self, model_id: str) -> int:
        return self._table.get(model_id).size_bytes

    def runtimeStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Purge, and say READY with our numbers.

        FAILING if the owner's own models leave less than ModelMesh takes for a capacity.
        """
        limits = self._table.limits
        left_bytes = self._on_loop.answered(context, self._purge())
        fits = left_bytes >= limits.least_capacity_bytes
        response = pb.RuntimeStatusResponse
        return response(
            status=response.READY if fits else response.FAILING,
            capacityInBytes=max(0, left_bytes),
            maxLoadingConcurrency=limits.max_loading,
            modelLoadingTimeoutMs=limits.loading_timeout_ms,
            defaultModelSizeInBytes=limits.default_model_bytes,
            runtimeVersion=_RUNTIME_VERSION,
            methodInfos={
                name: response.MethodInfo(idInjectionPath=path) for name, path in _METHODS.items()
            },
            limitModelConcurrency=True,
        )

    async def _purge(self) -> int:
        """Returns how many bytes are left for others than the owner."""
        await self._table.purge()
        return self._table.limits.capacity_bytes - self._table.pinned_bytes
