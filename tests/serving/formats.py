"""Which formats of models can be loaded here."""

import importlib.util

import pytest

HAS_ONNX = importlib.util.find_spec("onnxruntime") is not None
needs_onnx = pytest.mark.skipif(
    not HAS_ONNX, reason="onnxruntime is not installed: it has no wheels for this Python"
)

# Those that the server loads in its own process, and those that it loads in one of their own.
LOADED_INSIDE = ("scale.onnx",) if HAS_ONNX else ()
LOADED_APART = ("churn.joblib", "double.cloudpickle", "churn.skops")
