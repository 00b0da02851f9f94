"""Inference by the open protocol, version 2, on a table of models."""

from __future__ import annotations

from functools import partial
from typing import Any

from caikit_nb.errors import InvalidRequestError, ModelMissingError
from caikit_nb.serving import inference_pb2 as pb
from caikit_nb.serving import inference_pb2_grpc
from caikit_nb.serving.calls import answered, wait_for
from caikit_nb.serving.model_table import ModelTable
from caikit_nb.serving.served_model import ServedModel
from caikit_nb.serving.tensor_spec import TensorSpec
from caikit_nb.serving.tensors import read_inputs, read_wanted, write_outputs

SERVICE = "inference.GRPCInferenceService"
_NAME = "caikit_nb"
_VERSION = "1"
_ANY_SHAPE = (-1,)


class Inference(inference_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The service.

    Args:
        table: The models.
        version: What the server says its version is.
    """

    def __init__(self, table: ModelTable, version: str) -> None:
        self._table, self._version = table, version
        self.is_ready = True

    def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """It answers, so it is."""
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Until it begins to stop."""
        return pb.ServerReadyResponse(ready=self.is_ready)

    def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Its name and version."""
        return pb.ServerMetadataResponse(name=_NAME, version=self._version)

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether a model can be asked; one that isn't there can not.

        To ModelMesh that is NOT_FOUND: it loads the model then (contracts M24).
        """
        is_ready = answered(context, lambda: self._is_model_ready(request, context))
        return pb.ModelReadyResponse(ready=is_ready)

    def _is_model_ready(self, request: Any, context: Any) -> bool:
        try:
            self._model(request.name, request.version, context)
        except ModelMissingError:
            if _model_id(context):
                raise
            return False
        return True

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The tensors of a model."""
        served = answered(context, lambda: self._model(request.name, request.version, context))
        return pb.ModelMetadataResponse(
            name=request.name or served.id,
            versions=[_VERSION],
            platform=served.model.platform,
            inputs=[_metadata(spec) for spec in served.inputs],
            outputs=[_metadata(spec) for spec in served.outputs],
        )

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Ask a model."""
        return answered(context, lambda: self._infer(request, context))

    def _infer(self, request: Any, context: Any) -> Any:
        served = self._model(request.model_name, request.model_version, context)
        tensors = read_inputs(request)
        wanted = read_wanted(request)
        found = served.predict(tensors, wanted, partial(wait_for, context))
        response = pb.ModelInferResponse(
            model_name=request.model_name or served.id, model_version=_VERSION, id=request.id
        )
        typed = any(tensor.HasField("contents") for tensor in request.inputs)
        write_outputs(response, found, raw=not typed)
        return response

    def _model(self, name: str, version: str, context: Any) -> ServedModel:
        served = self._table.get(_model_id(context) or name)
        if version not in ("", _VERSION):
            raise InvalidRequestError(f"there is no version {version!r}: the only one is 1")
        return served


def _model_id(context: Any) -> str:
    """The id that ModelMesh names beside the request (contracts M23); empty if none is.

    Raises:
        InvalidRequestError: it isn't UTF-8.
    """
    headers = dict(context.invocation_metadata() or ())
    sent = headers.get("mm-model-id-bin", headers.get("mm-model-id", ""))
    try:
        return sent.decode("utf-8") if isinstance(sent, bytes) else str(sent)
    except UnicodeDecodeError:
        raise InvalidRequestError("mm-model-id-bin isn't UTF-8") from None


def _metadata(spec: TensorSpec) -> Any:
    shape = spec.shape or (() if spec.datatype else _ANY_SHAPE)
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=shape
    )
