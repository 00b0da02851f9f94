"""What to copy into a client."""

from __future__ import annotations

from collections.abc import Sequence

from caikit_nb.serving.picture import ModelPicture
from caikit_nb.serving.settings import ServerSettings

_NUMPY = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object_",
    "": "float64",
}


def client_snippet(settings: ServerSettings, target: str, models: Sequence[ModelPicture]) -> str:
    """Python source for ``tritonclient[grpc]`` that asks the first model."""
    model = next((each for each in models if each.state == "loaded"), None)
    name = model.id if model else "NAME"
    ssl = ", ssl=True, root_certificates=CERTIFICATE" if settings.tls else ""
    lines = [
        "import numpy as np",
        "import tritonclient.grpc as triton  # pip install tritonclient[grpc]",
        "",
        f"client = triton.InferenceServerClient({target!r}{ssl})",
    ]
    if settings.token:
        lines.insert(2, 'TOKEN = "…"  # server.token')
    if settings.tls:
        lines.insert(2, 'CERTIFICATE = "…"  # the file of the server\'s, or of who has signed it')
    inputs = model.inputs if model and model.inputs else (("input", "FP64", (-1,)),)
    names = []
    for n, (tensor, datatype, shape) in enumerate(inputs):
        number = "" if len(inputs) == 1 else f"_{n}"
        values, tensor_name = f"values{number}", f"tensor{number}"
        kind = _NUMPY.get(datatype, datatype.lower())
        lengths = tuple(1 if length < 0 else length for length in shape) or (1,)
        lines.append(f"{values} = np.zeros({lengths}, np.{kind})")
        wire = datatype or "FP64"
        lines.append(f"{tensor_name} = triton.InferInput({tensor!r}, {values}.shape, {wire!r})")
        lines.append(f"{tensor_name}.set_data_from_numpy({values})")
        names.append(tensor_name)
    headers = ', headers={"authorization": f"Bearer {TOKEN}"}' if settings.token else ""
    lines.append(f"answer = client.infer({name!r}, [{', '.join(names)}]{headers})")
    lines.append(
        "{each.name: answer.as_numpy(each.name) for each in answer.get_response().outputs}"
    )
    return "\n".join(lines)
