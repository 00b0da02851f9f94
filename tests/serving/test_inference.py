"""Inference by the open protocol, asked by a real Triton client."""

import numpy as np
import pytest

from tests.serving.conftest import START_S
from tests.serving.formats import HAS_ONNX, needs_onnx

VALUES = {
    "BOOL": np.array([[True, False], [False, True]]),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT16": np.array([-(2**15), 2**15 - 1], np.int16),
    "INT32": np.array([-(2**31), 2**31 - 1], np.int32),
    "INT64": np.array([-(2**63), 2**63 - 1], np.int64),
    "UINT8": np.array([0, 255], np.uint8),
    "UINT16": np.array([0, 2**16 - 1], np.uint16),
    "UINT32": np.array([0, 2**32 - 1], np.uint32),
    "UINT64": np.array([0, 2**64 - 1], np.uint64),
    "FP16": np.array([1.5, -2.25, np.inf], np.float16),
    "FP32": np.array([[[1.5]], [[np.nan]]], np.float32),
    "FP64": np.array(3.25),
    "BYTES": np.array([b"", b"\x00\xff", "Käse".encode()], object),
}
FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def echo(x):
    return x


def both(a, b=None):
    return {"sum": a if b is None else a + b, "kind": np.array(["text"])}


def fail(x):
    raise RuntimeError("no luck")


def ragged(x):
    return [[1, 2], [3]]


def picky(x):
    raise ValueError("nothing is good enough")


def refusing(x):
    from caikit_nb.errors import InvalidRequestError

    raise InvalidRequestError("x must be positive")


def stacking(x):
    return np.stack([x, np.zeros(len(x) + 1)])


class Wrapper:
    """An estimator of the notebook's around one of scikit-learn's."""

    def __init__(self, inside):
        self.inside = inside

    def predict(self, rows):
        return self.inside.predict(rows)


class Picky:
    def predict(self, rows):
        raise ValueError("nothing is good enough")


def table(x):
    import pandas as pd

    return pd.DataFrame({"town": ["Ulm"] * len(x), "size": x, "rooms": [1] * len(x)})


def boxed(x):
    return np.array([1, 2.5, None], object)


def flags(x):
    return np.array([True, False], object)


def wide_text(x):
    has_type = hasattr(np.dtypes, "StringDType")  # from NumPy 2.0 on
    return np.array(["a", "bcd"], np.dtypes.StringDType() if has_type else object)


def sparse(x):
    from scipy.sparse import eye_array

    return eye_array(2)


def numbers_and_text(x):
    return np.array([1, "a"], object)


def triple(x, scale=3.0):
    return x * scale


class Joined:
    """Was fitted with a table of text."""

    feature_names_in_ = np.array(["a", "b"], object)
    n_features_in_ = 2

    def predict(self, frame):
        return (frame["a"].str.len() + frame["b"].str.len()).to_numpy()


@pytest.fixture(scope="module")
def server(root, estimators):
    from caikit_nb.serving.model_server import ModelServer
    from caikit_nb.serving.settings import ServerSettings

    models = [("churn", "churn.joblib", "auto")]
    if HAS_ONNX:
        models.append(("scale", "scale.onnx", "auto"))
    settings = ServerSettings(root=root, trusted=(root,), models=tuple(models))
    functions = (echo, both, fail, ragged, picky, refusing, stacking, triple)
    functions += (table, boxed, flags, wide_text, sparse, numbers_and_text)
    objects = {function.__name__: function for function in functions}
    objects |= {"joined": Joined(), "own": Picky(), "wrapped": Wrapper(estimators["churn"])}
    with ModelServer("inference", settings, objects, "0") as running:
        assert running.wait_until_ready(START_S)
        yield running


@pytest.fixture
def stub(client):
    from caikit_nb.serving import inference_pb2_grpc

    return inference_pb2_grpc.GRPCInferenceServiceStub(client.channel)


def request(model="echo", /, **tensor):
    from caikit_nb.serving import inference_pb2 as pb

    made = pb.ModelInferRequest(model_name=model, id="r1")
    made.inputs.add(**{"name": "x", "datatype": "FP32", "shape": [1], **tensor})
    return made


def code(stub, made, **more) -> str:
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(made, timeout=START_S, **more)
    assert caught.value.details()
    return caught.value.code().name


@pytest.mark.parametrize("datatype", sorted(VALUES))
def test_raw_tensors_of_every_type_come_back_as_they_were_sent(client, datatype) -> None:
    found = client.infer("echo", VALUES[datatype], datatype)["output"]
    assert found.dtype == VALUES[datatype].dtype
    np.testing.assert_array_equal(found, VALUES[datatype])


@pytest.mark.parametrize("datatype", sorted(FIELDS))
def test_typed_tensors_of_every_type_come_back_as_they_were_sent(stub, datatype) -> None:
    values = VALUES[datatype]
    contents = {FIELDS[datatype]: values.ravel().tolist()}
    sent = request(datatype=datatype, shape=values.shape, contents=contents)
    answer = stub.ModelInfer(sent)
    (output,) = answer.outputs
    assert (answer.id, answer.model_name) == ("r1", "echo")
    assert (output.datatype, list(output.shape)) == (datatype, list(values.shape))
    assert not answer.raw_output_contents
    found = np.array(list(getattr(output.contents, FIELDS[datatype])), values.dtype)
    np.testing.assert_array_equal(found.reshape(values.shape), values)


def test_bf16_is_read_as_fp32(client) -> None:
    found = client.infer("echo", as_bf16(1.5, -2.0), "BF16")["output"]
    assert found.tolist() == [1.5, -2.0]


def as_bf16(*values: float) -> np.ndarray:
    """An array that the client takes for BF16: an older one cuts FP32, newer ones have a type."""
    from tritonclient.grpc import InferInput
    from tritonclient.utils import InferenceServerException

    array = np.array(values, np.float32)
    try:
        InferInput("input", [len(values)], "BF16").set_data_from_numpy(array)
    except InferenceServerException:
        import ml_dtypes

        return array.astype(ml_dtypes.bfloat16)
    return array


def test_an_estimator_predicts_as_it_does_here(client, estimators) -> None:
    from tritonclient.grpc import InferRequestedOutput

    rows = np.random.default_rng(1).normal(size=(5, 3))
    assert client.infer("churn", rows)["predict"].tolist() == (
        estimators["churn"].predict(rows).tolist()
    )
    found = client.infer("churn", rows, outputs=[InferRequestedOutput("predict_proba")])
    np.testing.assert_allclose(found["predict_proba"], estimators["churn"].predict_proba(rows))


def test_labels_of_text_are_bytes(client, estimators) -> None:
    client.load("words", "words.joblib")
    rows = np.eye(3)
    expected = [word.encode() for word in estimators["words"].predict(rows)]
    assert client.infer("words", rows)["predict"].tolist() == expected


def test_rows_of_text_are_a_table_for_a_model_with_columns(client) -> None:
    rows = np.array([[b"xy", b"z"], [b"\xc3\xa4", b""]], object)
    assert client.infer("joined", rows)["predict"].tolist() == [3, 1]


def test_what_is_no_array_is_the_functions_fault(stub) -> None:
    one = request("ragged", name="x", shape=[1], contents={"fp32_contents": [1]})
    assert code(stub, one) == "INTERNAL"


@pytest.mark.parametrize("model", ["picky", "stacking", "own", "fail", "numbers_and_text"])
def test_the_models_own_fault_is_internal(stub, model) -> None:
    one = request(model, contents={"fp32_contents": [1]})
    assert code(stub, one) == "INTERNAL"


def test_a_function_refuses_what_it_does_not_take_by_an_error_of_ours(client) -> None:
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="x must be positive") as caught:
        client.infer("refusing", [1.0])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_what_a_library_refuses_is_the_callers_fault_wherever_it_is_called(stub) -> None:
    for model in ("churn", "wrapped"):
        nan = request(model, shape=[1, 3], contents={"fp32_contents": [float("nan")] * 3})
        assert code(stub, nan) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        ("boxed", {"output": [1.0, 2.5, np.nan]}),
        ("flags", {"output": [True, False]}),
        ("wide_text", {"output": [b"a", b"bcd"]}),
        ("sparse", {"output": [[1.0, 0.0], [0.0, 1.0]]}),
        ("table", {"town": [b"Ulm"], "size": [1.0], "rooms": [1]}),
    ],
)
def test_results_of_many_kinds_are_sent(client, model, outputs) -> None:
    found = client.infer(model, [1.0])
    assert list(found) == list(outputs)
    for name, values in outputs.items():
        np.testing.assert_array_equal(found[name], np.array(values))


def test_a_functions_metadata_are_those_of_the_requests_it_has_answered(client) -> None:
    def told() -> list[list[tuple[str, str, list[int]]]]:
        meta = client.triton.get_model_metadata("triple")
        sides = meta.inputs, meta.outputs
        return [[(each.name, each.datatype, list(each.shape)) for each in side] for side in sides]

    assert told() == [[("x", "", [-1]), ("scale", "", [-1])], []]
    client.infer("triple", np.ones((2, 3), np.float32))
    assert told() == [
        [("x", "FP32", [-1, 3]), ("scale", "", [-1])],
        [("output", "FP32", [-1, 3])],
    ]
    client.infer("triple", np.ones((2, 4)))
    assert told() == [
        [("x", "", [-1, -1]), ("scale", "", [-1])],
        [("output", "", [-1, -1])],
    ]


def test_shared_memory_and_class_counts_are_refused_in_plain_words(client) -> None:
    import tritonclient.grpc as triton
    from tritonclient.utils import InferenceServerException

    tensor = triton.InferInput("x", [2], "FP32")
    tensor.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match="'x' is in shared memory") as caught:
        client.triton.infer("echo", [tensor])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    wanted = triton.InferRequestedOutput("output", class_count=2)
    with pytest.raises(InferenceServerException, match="class_count isn't supported"):
        client.infer("echo", [1.0], outputs=[wanted])
    wanted = triton.InferRequestedOutput("output")
    wanted.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match="'output' is in shared memory"):
        client.infer("echo", [1.0], outputs=[wanted])


def test_readiness_under_modelmeshs_header_says_that_the_model_is_not_here(stub) -> None:
    """M24: so that it loads the model again."""
    import grpc

    from caikit_nb.serving import inference_pb2 as pb

    asked = pb.ModelReadyRequest(name="absent")
    assert not stub.ModelReady(asked).ready
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelReady(asked, metadata=[("mm-model-id", "absent")])
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert stub.ModelReady(asked, metadata=[("mm-model-id", "echo")]).ready


@needs_onnx
def test_an_onnx_model_multiplies(client) -> None:
    found = client.infer("scale", np.array([[1, 2]], np.float32))
    assert found["y"].tolist() == [[3.0, 6.0]]
    meta = client.triton.get_model_metadata("scale")
    assert [(each.name, each.datatype) for each in meta.inputs] == [("x", "FP32")]


@needs_onnx
def test_what_an_onnx_model_can_not_take_is_the_callers_error(stub) -> None:
    shape = request("scale", shape=[1, 3], contents={"fp32_contents": [1] * 3})
    assert code(stub, shape) == "INVALID_ARGUMENT"
    kind = request("scale", datatype="FP64", shape=[1, 2], contents={"fp64_contents": [1] * 2})
    assert code(stub, kind) == "INVALID_ARGUMENT"


def test_a_function_takes_tensors_by_name_and_gives_several(client) -> None:
    from tritonclient.grpc import InferInput

    tensors = []
    for name in "ab":
        tensor = InferInput(name, [2], "INT64")
        tensor.set_data_from_numpy(np.array([1, 2]))
        tensors.append(tensor)
    answer = client.triton.infer("both", tensors)
    assert answer.as_numpy("sum").tolist() == [2, 4]
    assert answer.as_numpy("kind").tolist() == [b"text"]
    assert client.triton.infer("both", tensors[:1]).as_numpy("sum").tolist() == [1, 2]


def test_metadata_names_the_tensors(client) -> None:
    meta = client.triton.get_model_metadata("churn")
    assert (meta.platform, [each.name for each in meta.inputs]) == ("sklearn", ["input"])
    assert list(meta.inputs[0].shape) == [-1, 3]
    assert "predict_proba" in [each.name for each in meta.outputs]
    assert client.triton.get_server_metadata().name == "caikit_nb"


def test_readiness_is_that_of_server_and_model(client) -> None:
    assert client.triton.is_server_live()
    assert client.triton.is_server_ready()
    assert client.triton.is_model_ready("echo")
    assert not client.triton.is_model_ready("absent")


@pytest.mark.parametrize(
    "header",
    [
        ("mm-model-id", "echo"),
        ("mm-model-id-bin", b"echo"),
        ("mm-model-id-bin", "modèle".encode()),
    ],
)
def test_modelmesh_names_the_model_beside_the_request(client, stub, header) -> None:
    client.load("modèle", "double.cloudpickle")
    sent = request("whatever", contents={"fp32_contents": [1]})
    answer = stub.ModelInfer(sent, metadata=[header])
    assert answer.outputs[0].contents.fp32_contents[0] in (1, 2)
    assert code(stub, sent, metadata=[("mm-model-id", "absent")]) == "NOT_FOUND"
    assert code(stub, sent, metadata=[("mm-model-id-bin", b"\xff")]) == "INVALID_ARGUMENT"


def test_not_found_says_that_the_model_is_not_loaded_and_nothing_else(stub) -> None:
    assert code(stub, request("absent", contents={"fp32_contents": [1]})) == "NOT_FOUND"
    assert code(stub, request("fail", contents={"fp32_contents": [1]})) == "INTERNAL"


@pytest.mark.parametrize(
    "tensor",
    [
        {"datatype": "FP33", "contents": {"fp32_contents": [1]}},
        {"datatype": ""},
        {"datatype": "FP16", "contents": {"fp32_contents": [1]}},
        {"datatype": "INT32", "contents": {"fp32_contents": [1]}},
        {"shape": [2], "contents": {"fp32_contents": [1]}},
        {"shape": [-1], "contents": {"fp32_contents": [1]}},
        {"shape": [2**62, 2**62], "contents": {"fp32_contents": [1]}},
        {"shape": [0, 2**62]},
        {"shape": [1] * 100, "contents": {"fp32_contents": [1]}},
        {"shape": [1]},
        {"name": "", "contents": {"fp32_contents": [1]}},
        {"datatype": "INT8", "contents": {"int_contents": [128]}},
        {"datatype": "UINT16", "contents": {"uint_contents": [2**16]}},
    ],
)
def test_a_malformed_tensor_is_an_invalid_argument(stub, tensor) -> None:
    assert code(stub, request(**tensor)) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("datatype", "raw"),
    [
        ("FP32", [b"123"]),
        ("FP32", [b"12345678"]),
        ("FP32", [b"1234", b"1234"]),
        ("BYTES", [b"\x05\x00\x00\x00ab"]),
        ("BYTES", [b"\x05\x00"]),
        ("BYTES", [b"\xff\xff\xff\xff"]),
    ],
)
def test_malformed_raw_contents_are_an_invalid_argument(stub, datatype, raw) -> None:
    made = request(datatype=datatype)
    made.raw_input_contents.extend(raw)
    assert code(stub, made) == "INVALID_ARGUMENT"


def test_what_the_model_does_not_take_is_an_invalid_argument(client, stub) -> None:
    wide = request("churn", shape=[1, 4], contents={"fp32_contents": [1] * 4})
    assert code(stub, wide) == "INVALID_ARGUMENT"
    nan = request("churn", shape=[1, 3], contents={"fp32_contents": [float("nan")] * 3})
    assert code(stub, nan) == "INVALID_ARGUMENT"
    twice = request(contents={"fp32_contents": [1]})
    twice.inputs.append(twice.inputs[0])
    assert code(stub, twice) == "INVALID_ARGUMENT"
    unknown = request("churn", shape=[1, 3], contents={"fp32_contents": [1] * 3})
    unknown.outputs.add(name="no such output")
    assert code(stub, unknown) == "INVALID_ARGUMENT"
    version = request(contents={"fp32_contents": [1]})
    version.model_version = "7"
    assert code(stub, version) == "INVALID_ARGUMENT"
    from caikit_nb.serving import inference_pb2 as pb

    assert code(stub, pb.ModelInferRequest(model_name="echo")) == "INVALID_ARGUMENT"


def test_a_request_over_the_limit_is_refused_and_one_below_is_not(client) -> None:
    from tritonclient.utils import InferenceServerException

    assert client.infer("echo", np.zeros(15 * 2**18, np.float32))["output"].size
    with pytest.raises(InferenceServerException, match="larger than max"):
        client.infer("echo", np.zeros(2**22 + 1000, np.float32))
    assert client.infer("echo", np.zeros(1))["output"].size


def test_health_and_reflection_are_the_official_ones(client) -> None:
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    health = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", "mmesh.ModelRuntime", "inference.GRPCInferenceService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    database = ProtoReflectionDescriptorDatabase(client.channel)
    assert set(database.get_services()) == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "inference.GRPCInferenceService",
        "mmesh.ModelRuntime",
    }
    pool = DescriptorPool(database)
    for name, count in (("mmesh.ModelRuntime", 5), ("inference.GRPCInferenceService", 6)):
        assert len(pool.FindServiceByName(name).methods) == count
    assert pool.FindServiceByName("grpc.health.v1.Health").methods
