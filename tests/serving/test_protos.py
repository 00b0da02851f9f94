"""The messages: generated, wire-identical, and in nobody's way."""

import filecmp
import subprocess
from pathlib import Path

SERVING = Path(__file__).parents[2] / "caikit_nb" / "serving"
GENERATED = (
    "inference_pb2.py",
    "inference_pb2_grpc.py",
    "model_runtime_pb2.py",
    "model_runtime_pb2_grpc.py",
)

BESIDE = """
import sys
def ours():
    from caikit_nb.serving import model_runtime_pb2 as pb, model_runtime_pb2_grpc
    return pb
def theirs():
    from caikit.runtime.protobufs import model_runtime_pb2 as pb, model_runtime_pb2_grpc
    return pb
first, second = (ours, theirs) if sys.argv[1] == "ours" else (theirs, ours)
first(), second()
a, b = ours(), theirs()
from google.protobuf import descriptor_pb2
def described(pb):
    found = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(found)
    return found
assert described(a) == described(b), (described(a), described(b))
status = a.RuntimeStatusResponse(status=1, capacityInBytes=2**40, limitModelConcurrency=True)
status.methodInfos["p.S/M"].idInjectionPath.extend([1, 2])
assert b.RuntimeStatusResponse.FromString(status.SerializeToString()).methodInfos["p.S/M"]
print("fine")
"""

DRIVE = """
import sys, grpc, caikit
from caikit.runtime.protobufs import model_runtime_pb2 as pb, model_runtime_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = model_runtime_pb2_grpc.ModelRuntimeStub(channel)
    status = stub.runtimeStatus(pb.RuntimeStatusRequest())
    assert status.status == pb.RuntimeStatusResponse.READY
    request = dict(modelId="c", modelPath="churn.joblib", modelType="sklearn")
    assert stub.predictModelSize(pb.PredictModelSizeRequest(**request)).sizeInBytes > 0
    loaded = stub.loadModel(pb.LoadModelRequest(**request))
    assert stub.modelSize(pb.ModelSizeRequest(modelId="c")).sizeInBytes == loaded.sizeInBytes > 0
    assert loaded.maxConcurrency == 2
    stub.unloadModel(pb.UnloadModelRequest(modelId="c"))
    try: stub.modelSize(pb.ModelSizeRequest(modelId="c"))
    except grpc.RpcError as error: print(error.code().name)
"""


def test_generating_them_anew_changes_nothing(caikit_python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [caikit_python, SERVING / "protos" / "generate.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, changed, broken = filecmp.cmpfiles(SERVING, tmp_path, GENERATED, shallow=False)
    assert not changed + broken, "run make protos"


def test_they_live_beside_caikits_in_either_order(run_caikit) -> None:
    for first in ("ours", "theirs"):
        assert run_caikit(BESIDE, first) == "fine\n"


def test_caikits_own_stub_drives_the_management(run_caikit, server) -> None:
    assert run_caikit(DRIVE, server.target) == "NOT_FOUND\n"


def test_the_generated_modules_have_the_surface_of_the_contract() -> None:
    import grpc

    from caikit_nb.serving import model_runtime_pb2, model_runtime_pb2_grpc

    assert model_runtime_pb2.DESCRIPTOR.name == "model-runtime.proto"
    names = ("loadModel", "unloadModel", "predictModelSize", "modelSize", "runtimeStatus")
    (service,) = model_runtime_pb2.DESCRIPTOR.services_by_name.values()
    assert service.full_name == "mmesh.ModelRuntime"
    assert [method.name for method in service.methods] == list(names)

    class Context:
        def set_code(self, code: object) -> None:
            self.code = code

        def set_details(self, details: str) -> None:
            self.details = details

    with grpc.insecure_channel("unix:/nowhere") as channel:
        stub = model_runtime_pb2_grpc.ModelRuntimeStub(channel)
        assert all(callable(getattr(stub, name)) for name in names)
    for name in names:
        context = Context()
        try:
            getattr(model_runtime_pb2_grpc.ModelRuntimeServicer(), name)(None, context)
        except NotImplementedError:
            assert context.code is grpc.StatusCode.UNIMPLEMENTED
        assert callable(getattr(model_runtime_pb2_grpc.ModelRuntime, name))


def test_they_live_beside_a_triton_clients(connect, server) -> None:
    from tritonclient.grpc import service_pb2

    from caikit_nb.serving import inference_pb2

    theirs = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[b"1"])
    ours = inference_pb2.ModelInferRequest.FromString(theirs.SerializeToString())
    assert (ours.model_name, list(ours.raw_input_contents)) == ("m", [b"1"])
