"""The ModelRuntime service, through a real channel to a real server."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.formats import LOADED_INSIDE, needs_onnx
from tests.waiting import is_gone_within


def failure(call) -> tuple[str, str]:
    """The code and the details that a call fails with."""
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def test_ready_comes_with_numbers_that_modelmesh_takes(client) -> None:
    status = client.status()
    assert status.status == status.READY
    assert status.maxLoadingConcurrency >= 1
    assert status.modelLoadingTimeoutMs >= 100
    default = status.defaultModelSizeInBytes
    assert default >= 1
    assert status.capacityInBytes >= max(2 * default, min(512 * 2**20, 10 * default))
    assert list(status.methodInfos["inference.GRPCInferenceService/ModelInfer"].idInjectionPath)


def test_ready_is_said_when_what_was_loaded_is_gone_but_for_the_owners_own(client) -> None:
    client.load("a", "double.cloudpickle")
    client.status()
    assert failure(lambda: client.size("a"))[0] == "NOT_FOUND"
    assert client.size("double") > 0


@pytest.mark.parametrize(
    ("path", "model_type"),
    [
        ("churn.joblib", "sklearn"),
        ("churn.joblib", "auto"),
        ("double.cloudpickle", "cloudpickle"),
        ("churn.skops", "skops"),
        pytest.param("scale.onnx", "ONNX", marks=needs_onnx),
        ("folder", "skops"),
    ],
)
def test_each_format_is_loaded_and_measured(client, path, model_type) -> None:
    answer = client.load("m", path, model_type)
    assert answer.sizeInBytes == client.size("m") > 0
    assert answer.maxConcurrency == 2
    client.unload("m")
    assert failure(lambda: client.size("m"))[0] == "NOT_FOUND"


KEY = '{"model_type":{"name":"sklearn","version":"0"},"storage_key":"s","disk_size_bytes":900}'


@pytest.mark.parametrize(
    ("model_type", "key"),
    [
        ("mt:sklearn", ""),
        ("mt:sklearn:0", ""),
        ("mt:sklearn:0|pv:grpc-v2", KEY),
        ("rt:my-runtime", KEY),
        ("rt:my-runtime", ""),
        ("", ""),
        ("", KEY),
        ("mt:something", '{"model_type": "sklearn"}'),
        ("", '{"model_type": "SKLearn:1.2"}'),
        ("sklearn:1", "no JSON"),
        ("sklearn", '["a list"]'),
        ("sklearn", '{"model_type": {"name": 3}, "disk_size_bytes": "many"}'),
        ("sklearn", '{"model_type": null, "disk_size_bytes": 1e999}'),
        ("sklearn", "[" * 100_000),
    ],
)
def test_a_format_is_named_as_kserves_controller_does(client, model_type, key) -> None:
    """As KServe's own adapters read it: the key goes first, then the label."""
    assert client.load("m", "churn.joblib", model_type, key=key).sizeInBytes
    assert client.predicted_size("m", "churn.joblib", model_type, key=key)
    client.unload("m")


@pytest.mark.parametrize(
    ("model_type", "key"), [("mt:onyx:1|pv:v2", ""), ("sklearn", '{"model_type": "onyx"}')]
)
def test_an_unknown_format_is_refused_by_its_name(client, model_type, key) -> None:
    code, details = failure(lambda: client.load("m", "churn.joblib", model_type, key=key))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("modelType must be one of ")
    assert details.endswith("not 'onyx'")


def test_a_size_is_predicted_from_what_the_key_says_of_the_disk(client) -> None:
    """The files may not all be there yet."""
    size = 10**9
    key = f'{{"disk_size_bytes": {size}}}'
    assert client.predicted_size("p", "churn.joblib", key=key) > size
    small = client.predicted_size("p", "churn.joblib", key='{"disk_size_bytes": 1}')
    assert small == client.predicted_size("p", "churn.joblib") < size
    assert client.predicted_size("p", "churn.joblib", key='{"disk_size_bytes": 1e300}') > size


def test_the_same_file_by_another_spelling_is_the_same_model(client, root) -> None:
    size = client.load("m", "churn.joblib", "mt:sklearn").sizeInBytes
    (root / "alias.joblib").symlink_to(root / "churn.joblib")
    for path in (str(root / "churn.joblib"), "./churn.joblib"):
        assert client.load("m", path, "sklearn").sizeInBytes == size
    assert client.load("m", "alias.joblib", "auto").sizeInBytes == size
    assert failure(lambda: client.load("m", "churn.skops"))[0] == "INVALID_ARGUMENT"
    assert failure(lambda: client.load("m", "a\0b"))[0] == "INVALID_ARGUMENT"


def test_a_file_that_is_broken_is_named_with_its_format(client) -> None:
    _, details = failure(lambda: client.load("m", "corrupt.joblib"))
    assert details.startswith("corrupt.joblib can't be loaded as sklearn: ")


def test_a_second_load_of_the_same_is_idempotent_and_of_another_path_refused(client) -> None:
    size = client.load("m", "double.cloudpickle").sizeInBytes
    assert client.load("m", "double.cloudpickle").sizeInBytes == size
    code, details = failure(lambda: client.load("m", "churn.joblib"))
    assert (code, "unload it first" in details) == ("INVALID_ARGUMENT", True)
    assert client.size("m") == size


def test_unloading_what_is_not_there_is_fine_as_often_as_one_likes(client) -> None:
    client.unload("never")
    client.load("m", "double.cloudpickle")
    client.unload("m")
    client.unload("m")
    client.unload("")


@pytest.mark.parametrize(
    ("model_id", "path", "model_type", "code"),
    [
        ("", "double.cloudpickle", "auto", "INVALID_ARGUMENT"),
        ("m", "", "auto", "INVALID_ARGUMENT"),
        ("m", "double.cloudpickle", "no such type", "INVALID_ARGUMENT"),
        ("m", "../models/double.cloudpickle", "auto", "INVALID_ARGUMENT"),
        ("m", "/etc/passwd", "sklearn", "INVALID_ARGUMENT"),
        ("m", "a\0b", "auto", "INVALID_ARGUMENT"),
        ("m", "x" * 5000, "auto", "FAILED_PRECONDITION"),
        ("m", "link-out.joblib", "auto", "INVALID_ARGUMENT"),
        ("m", "folder-with-link", "auto", "INVALID_ARGUMENT"),
        ("m", "absent.joblib", "auto", "NOT_FOUND"),
        ("m", "double.cloudpickle/below", "auto", "FAILED_PRECONDITION"),
        ("m", "pipe.joblib", "auto", "FAILED_PRECONDITION"),
        ("m", "huge.joblib", "auto", "RESOURCE_EXHAUSTED"),
        ("m", "corrupt.joblib", "auto", "INTERNAL"),
        ("m", "corrupt.joblib", "skops", "INTERNAL"),
        pytest.param("m", "corrupt.joblib", "onnx", "INTERNAL", marks=needs_onnx),
        ("m", "number.cloudpickle", "auto", "FAILED_PRECONDITION"),
        ("m", "crash.cloudpickle", "auto", "INTERNAL"),
        ("m", "empty-folder", "auto", "INVALID_ARGUMENT"),
    ],
)
def test_what_can_not_be_loaded_has_its_code_and_leaves_nothing(
    client, root, bad_models, model_id, path, model_type, code
) -> None:
    found, details = failure(lambda: client.load(model_id, path, model_type))
    assert found == code, details
    assert details
    assert "\n" not in details
    client.unload(model_id)
    assert client.load("after", "double.cloudpickle").sizeInBytes


@pytest.fixture(scope="module")
def bad_models(root: Path) -> None:
    import cloudpickle

    outside = root.parent / "outside.joblib"
    outside.write_bytes((root / "churn.joblib").read_bytes())
    (root / "link-out.joblib").symlink_to(outside)
    (root / "folder-with-link").mkdir()
    (root / "folder-with-link" / "model.joblib").symlink_to(outside)
    (root / "empty-folder").mkdir()
    os.mkfifo(root / "pipe.joblib")
    with (root / "huge.joblib").open("wb") as file:
        file.truncate(2**31)
    (root / "number.cloudpickle").write_bytes(cloudpickle.dumps(3))

    class Crash:
        def __reduce__(self):
            return os.abort, ()

    (root / "crash.cloudpickle").write_bytes(cloudpickle.dumps(Crash()))


def test_pickles_are_refused_where_nobody_trusts_them_and_skops_is_not(
    start_server, connect, root
) -> None:
    client = connect(start_server(trusted=(root / "folder",)))
    for path in ("churn.joblib", "double.cloudpickle"):
        code, details = failure(lambda path=path: client.load("m", path))
        assert (code, "trust" in details) == ("FAILED_PRECONDITION", True)
    assert client.load("m", "churn.skops").sizeInBytes


def test_a_cancelled_load_is_stopped_and_its_id_is_free_when_unload_returns(client, held) -> None:
    _gate, begun = held("slow")
    call = client.loading("slow", "slow.cloudpickle")
    pid = int(begun.hear())
    call.cancel()
    client.unload("slow")
    assert is_gone_within(pid, 0)
    assert failure(lambda: client.size("slow"))[0] == "NOT_FOUND"
    assert client.load("slow", "double.cloudpickle").sizeInBytes


def test_an_unload_ends_the_load_which_does_not_report_success(client, held) -> None:
    _gate, begun = held("ended")
    call = client.loading("ended", "ended.cloudpickle")
    pid = int(begun.hear())
    client.unload("ended")
    assert is_gone_within(pid, 0)
    assert call.code().name == "ABORTED"
    assert failure(lambda: client.size("ended"))[0] == "NOT_FOUND"


def test_two_who_load_the_same_share_one_load_until_both_give_up(client, held) -> None:
    gate, begun = held("shared")
    first = client.loading("shared", "shared.cloudpickle")
    begun.hear()
    second = client.loading("shared", "shared.cloudpickle")
    # The second has arrived once this call, which came after it on the same channel, is answered.
    assert failure(lambda: client.size("shared"))[0] == "NOT_FOUND"
    first.cancel()
    gate.say()
    assert second.result().sizeInBytes == client.size("shared")


def test_no_more_are_loaded_at_once_than_was_said(client, held) -> None:
    import grpc

    calls, gates = [], []
    for n in range(2):
        gate, begun = held(f"busy{n}")
        calls.append(client.loading(f"busy{n}", f"busy{n}.cloudpickle"))
        begun.hear()
        gates.append(gate)
    third = client.loading("third", "double.cloudpickle")
    with pytest.raises(grpc.FutureTimeoutError):
        third.result(timeout=0.5)
    for gate in gates:
        gate.say()
    assert third.result().sizeInBytes
    assert all(call.result().sizeInBytes for call in calls)


def test_a_size_is_predicted_without_a_load(client, held) -> None:
    held("waits")  # its load would wait for ever
    assert client.predicted_size("p", "waits.cloudpickle") > 0
    assert failure(lambda: client.size("p"))[0] == "NOT_FOUND"


def test_a_size_is_predicted_from_above(client) -> None:
    for path in ("churn.joblib", "folder", *LOADED_INSIDE):
        predicted = client.predicted_size("p", path)
        assert predicted >= client.load(path, path).sizeInBytes
    assert failure(lambda: client.predicted_size("p", "absent"))[0] == "NOT_FOUND"
    assert failure(lambda: client.predicted_size("p", "../x"))[0] == "INVALID_ARGUMENT"


def test_a_prediction_follows_the_files(client, root) -> None:
    (root / "grows").mkdir()
    (root / "grows" / "m.joblib").write_bytes(b"1" * 1000)
    before = client.predicted_size("g", "grows")
    (root / "grows" / "more.bin").write_bytes(b"1" * 1_000_000)
    assert client.predicted_size("g", "grows") >= before + 1_000_000


def test_ids_of_any_text_are_ids(client) -> None:
    for model_id in ("modèle", "日本", "a/b c", "x" * 1000):
        client.load(model_id, "double.cloudpickle")
        assert client.size(model_id) > 0
        client.unload(model_id)


def test_loads_and_unloads_of_one_id_from_many_sides_end_in_one_state(client) -> None:
    def load_or_unload(n: int) -> str:
        if n % 3:
            return client.loading("hot", "double.cloudpickle").code().name
        client.unload("hot")
        return "OK"

    with ThreadPoolExecutor(8) as threads:
        codes = set(threads.map(load_or_unload, range(60)))
    assert codes <= {"OK", "ABORTED"}
    client.unload("hot")
    assert failure(lambda: client.size("hot"))[0] == "NOT_FOUND"


def test_a_client_that_vanishes_amid_a_load_ends_it(server, connect, held) -> None:
    _gate, begun = held("vanish")
    gone = connect(server)
    call = gone.loading("vanish", "vanish.cloudpickle")
    pid = int(begun.hear())
    gone.channel.close()
    assert is_gone_within(pid, 20)
    assert call.code().name == "CANCELLED"
