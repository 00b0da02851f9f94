"""Tensors of the open inference protocol as NumPy arrays, and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from caikit_nb.errors import InvalidRequestError, PredictionError

# The field of typed contents; empty where the protocol has none.
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP16": "",
    "BF16": "",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH = struct.Struct("<I")


def read_inputs(request: Any) -> dict[str, Any]:
    """The input tensors of a ModelInferRequest; of text, arrays of bytes objects.

    Raises:
        InvalidRequestError: one of them isn't well-formed; names it.
    """
    raws: Sequence[bytes] = request.raw_input_contents
    if raws and len(raws) != len(request.inputs):
        raise InvalidRequestError(
            f"{len(raws)} raw_input_contents for {len(request.inputs)} inputs: one each is needed"
        )
    tensors: dict[str, Any] = {}
    for n, tensor in enumerate(request.inputs):
        if not tensor.name or tensor.name in tensors:
            raise InvalidRequestError(f"each input needs a name of its own, not {tensor.name!r}")
        tensors[tensor.name] = _read(tensor, raws[n] if raws else None)
    if not tensors:
        raise InvalidRequestError("the request has no inputs")
    return tensors


def _read(tensor: Any, raw: bytes | None) -> Any:
    name, datatype, shape = tensor.name, tensor.datatype, tuple(tensor.shape)
    _refuse_shared_memory(f"input {name!r}", tensor)
    if datatype not in _FIELDS:
        raise InvalidRequestError(
            f"input {name!r}: datatype must be one of {', '.join(_FIELDS)}, not {datatype!r}"
        )
    if any(length < 0 for length in shape):
        raise InvalidRequestError(f"input {name!r}: its shape has a negative length")
    filled = [field.name for field, _ in tensor.contents.ListFields()]
    if raw is not None and filled:
        raise InvalidRequestError(f"input {name!r} has contents beside raw_input_contents")
    if raw is None:
        flat = _typed(tensor, filled)
    else:
        flat = _raw(name, datatype, raw)
    if len(flat) != math.prod(shape):
        raise InvalidRequestError(
            f"input {name!r}: the shape {list(shape)} needs {math.prod(shape)} values, "
            f"and {len(flat)} were sent"
        )
    try:
        return flat.reshape(shape)
    except ValueError as error:  # more dimensions, or longer ones, than an array can have
        raise InvalidRequestError(f"input {name!r}: {error}") from None


def _refuse_shared_memory(what: str, tensor: Any) -> None:
    if "shared_memory_region" in tensor.parameters:
        raise InvalidRequestError(
            f"{what} is in shared memory, which this server doesn't use: send it in the request"
        )


def read_wanted(request: Any) -> list[str]:
    """The names of the outputs that a ModelInferRequest asks for; none for the usual ones.

    Raises:
        InvalidRequestError: one is wanted in a form that there isn't.
    """
    for output in request.outputs:
        _refuse_shared_memory(f"output {output.name!r}", output)
        if output.parameters["classification"].int64_param:
            raise InvalidRequestError(
                f"output {output.name!r}: class_count isn't supported: ask without it, "
                "and sort the answer"
            )
    return [output.name for output in request.outputs]


def _typed(tensor: Any, filled: Sequence[str]) -> Any:
    field = _FIELDS[tensor.datatype]
    if not field:
        raise InvalidRequestError(
            f"input {tensor.name!r}: {tensor.datatype} is sent as raw_input_contents only"
        )
    if any(name != field for name in filled):
        raise InvalidRequestError(f"input {tensor.name!r}: {tensor.datatype} is sent as {field}")
    values = getattr(tensor.contents, field)
    if field == "bytes_contents":
        return _objects(values)
    dtype = _DTYPES[tensor.datatype]
    if dtype.kind in "iu" and values:
        limits = np.iinfo(dtype)
        if min(values) < limits.min or max(values) > limits.max:
            raise InvalidRequestError(
                f"input {tensor.name!r} has a value that is no {tensor.datatype}"
            )
    return np.array(values, dtype)


def _raw(name: str, datatype: str, raw: bytes) -> Any:
    if datatype == "BYTES":
        return _objects(list(_split(name, raw)))
    dtype = np.dtype("<u2") if datatype == "BF16" else _DTYPES[datatype]
    if len(raw) % dtype.itemsize:
        raise InvalidRequestError(f"input {name!r}: {len(raw)} bytes are no whole {datatype}s")
    flat = np.frombuffer(raw, np.uint8 if datatype == "BOOL" else dtype)
    if datatype == "BF16":  # the upper half of a FP32
        return (flat.astype("<u4") << 16).view("<f4")
    # A copy, which the model may write to; and whatever a byte is, a bool is one or the other.
    return flat.astype(dtype)


def _split(name: str, raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        start = at + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, at)[0] if start <= len(raw) else len(raw) + 1
        if end > len(raw):
            raise InvalidRequestError(f"input {name!r}: its raw BYTES end amid an element")
        yield raw[start:end]
        at = end


def _objects(values: Sequence[bytes]) -> Any:
    flat = np.empty(len(values), object)
    flat[:] = values
    return flat


def datatype_of(array: Any) -> str:
    """The protocol's name of an array's type; empty if it has none."""
    if array.dtype.kind in "OSU":
        return "BYTES"
    return _DATATYPES.get(array.dtype.newbyteorder("<"), "")


def dtype_of(datatype: str) -> np.dtype[Any]:
    """NumPy's type of a datatype of numbers."""
    return _DTYPES[datatype]


def write_outputs(response: Any, tensors: Mapping[str, Any], *, raw: bool) -> None:
    """Put outputs into a ModelInferResponse.

    Args:
        response: Where to.
        tensors: What the model gave, by name.
        raw: As raw contents; else typed ones, unless a tensor has no such form.

    Raises:
        PredictionError: a value that the protocol has no type for.
    """
    arrays = {name: _sendable(name, np.asarray(values)) for name, values in tensors.items()}
    raw = raw or any(not _FIELDS[datatype] for _, datatype in arrays.values())
    for name, (array, datatype) in arrays.items():
        output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(_as_raw(array))
        else:
            getattr(output.contents, _FIELDS[datatype]).extend(array.ravel().tolist())


def _sendable(name: str, array: Any) -> tuple[Any, str]:
    if array.dtype.kind in "OSU":
        encoded = _objects([_as_bytes(name, each) for each in array.ravel().tolist()])
        return encoded.reshape(array.shape), "BYTES"
    plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
    datatype = _DATATYPES.get(plain.dtype)
    if datatype is None:
        raise PredictionError(f"the output {name!r} is of {array.dtype}, which can't be sent")
    return plain, datatype


def _as_bytes(name: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    raise PredictionError(
        f"the output {name!r} has a {type(value).__name__} in an array of objects: give each "
        "output numbers only, or text only"
    )


def _as_raw(array: Any) -> bytes:
    if array.dtype != object:
        return bytes(np.ascontiguousarray(array).tobytes())
    return b"".join(_LENGTH.pack(len(each)) + each for each in array.ravel().tolist())
