"""ONNX models through onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caikit_nb.errors import InvalidRequestError, PredictionError
from caikit_nb.serving.loaders.base import Loader, imported
from caikit_nb.serving.models import Tensors, as_text, check_names
from caikit_nb.serving.tensor_spec import TensorSpec

_PACKAGE = "onnxruntime"
_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class OnnxLoader(Loader):
    """A session can't be pickled, so a load that is cancelled runs to its end."""

    names = ("onnx",)
    suffixes = (".onnx",)
    needs_trust = False
    is_killable = False
    modules = (_PACKAGE,)

    def load(self, path: Path) -> Any:
        """See `Loader.load`."""
        runtime = imported(_PACKAGE, _PACKAGE)
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is told to who asked
        session = runtime.InferenceSession(
            str(path), options, providers=runtime.get_available_providers()
        )
        return OnnxModel(session)


class OnnxModel:
    """A session as a model."""

    platform = "onnx_onnxv1"

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = tuple(_spec(each) for each in session.get_inputs())
        self.outputs = tuple(_spec(each) for each in session.get_outputs())

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """See `Model.predict`."""
        names = list(wanted) or [each.name for each in self.outputs]
        check_names("output", names, [each.name for each in self.outputs])
        check_names("input", list(tensors), [each.name for each in self.inputs])
        feeds = {name: as_text(values) for name, values in tensors.items()}
        try:
            found = self._session.run(names, feeds)
        except Exception as error:
            # onnxruntime's own classes are not importable under one name in all its versions.
            if type(error).__name__ in ("InvalidArgument", "ValueError"):
                raise InvalidRequestError(str(error)) from None
            raise
        if not all(isinstance(each, np.ndarray) for each in found):
            raise PredictionError(
                "an output is no tensor; convert the model without ZipMap (zipmap=False)"
            )
        return dict(zip(names, found, strict=True))


def _spec(node: Any) -> TensorSpec:
    shape = tuple(length if isinstance(length, int) else -1 for length in node.shape)
    return TensorSpec(node.name, _DATATYPES.get(node.type, ""), shape)
