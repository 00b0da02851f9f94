"""What to copy into a client."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caikit_nb.serving.picture import ModelPicture
from caikit_nb.serving.settings import ServerSettings
from caikit_nb.serving.tensor_spec import TensorSpec

_NUMPY = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object_",
}
_ANY = "FP64"
_TEXT = "text"
_MOST_VALUES = 30  # that are written out


def client_snippet(settings: ServerSettings, target: str, models: Sequence[ModelPicture]) -> str:
    """Python source for ``tritonclient[grpc]`` that asks the first model."""
    model = next((each for each in models if each.state == "loaded"), None)
    name = model.id if model else "NAME"
    ssl = ", ssl=True, root_certificates=CERTIFICATE" if settings.tls else ""
    lines = [
        "import numpy as np",
        # In one command: the newest tritonclient and the newest of gRPC's packages need different
        # protobufs, and pip gives one of them another where it installs the other by itself.
        '# pip install "tritonclient[grpc]" "caikit_nb[serving]"',
        "import tritonclient.grpc as triton",
        "",
        f"client = triton.InferenceServerClient({target!r}{ssl})",
    ]
    if settings.token:
        lines.insert(3, 'TOKEN = "…"  # server.token')
    if settings.tls:
        lines.insert(3, 'CERTIFICATE = "…"  # the file of the server\'s, or of who has signed it')
    inputs = _needed(model.inputs if model else ())
    names = []
    for n, spec in enumerate(inputs):
        number = "" if len(inputs) == 1 else f"_{n}"
        values, tensor = f"values{number}", f"tensor{number}"
        hint = "" if spec.datatype else "  # put in what the model takes"
        wire = spec.datatype or _ANY
        lines.append(f"{values} = {_array(spec)}{hint}")
        lines.append(f"{tensor} = triton.InferInput({spec.name!r}, {values}.shape, {wire!r})")
        lines.append(f"{tensor}.set_data_from_numpy({values})")
        names.append(tensor)
    headers = ', headers={"authorization": f"Bearer {TOKEN}"}' if settings.token else ""
    lines.append(f"answer = client.infer({name!r}, [{', '.join(names)}]{headers})")
    lines.append(
        "{each.name: answer.as_numpy(each.name) for each in answer.get_response().outputs}"
    )
    return "\n".join(lines)


def _needed(inputs: Sequence[TensorSpec]) -> Sequence[TensorSpec]:
    """Those that a request must have; one if all may be left out."""
    needed = [spec for spec in inputs if not spec.is_optional]
    return needed or inputs[:1] or [TensorSpec("input", _ANY, (-1,))]


def _array(spec: TensorSpec) -> str:
    """The source of an array of one row."""
    shape = tuple(1 if length < 0 else length for length in spec.shape or (-1,))
    if spec.datatype and not spec.shape:
        shape = ()
    kind = f"np.{_NUMPY.get(spec.datatype or _ANY, spec.datatype.lower())}"
    is_text = spec.datatype == "BYTES"
    if spec.example is not None and math.prod(shape) <= _MOST_VALUES:
        return f"np.array({_nested(_sent(spec.example), len(shape))}, {kind})"
    if is_text:
        return f"np.full({shape}, {_TEXT.encode()!r}, {kind})"
    return f"np.zeros({shape}, {kind})"


def _sent(example: Any) -> Any:
    """A row as a client sends it: text is bytes."""
    if isinstance(example, list):
        return [_sent(each) for each in example]
    return example.encode() if isinstance(example, str) else example


def _nested(row: Any, dimensions: int) -> Any:
    """As many lists around it as its array has dimensions."""
    return [row] if dimensions else row
