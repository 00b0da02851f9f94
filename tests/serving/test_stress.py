"""Many loads, cancelled loads, clients that vanish: the server goes on with the memory it had."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from tests.serving.formats import LOADED_APART, LOADED_INSIDE
from tests.waiting import until

MOST_BYTES = 24 * 2**20
MOST_ROUNDS = 5
FORMATS = (*LOADED_INSIDE, *LOADED_APART)


def code_of(call) -> str:
    from tests.serving.client import code

    return code(call)


def private_bytes(server) -> int:
    return psutil.Process(server._process.pid).memory_full_info().uss


def growth(server, work: Callable[[], object], most_bytes: int) -> int:
    """By how much the server's memory grows with a round of work.

    What an allocator keeps, or a request that is about to end, comes and goes: some round grows by
    less. What is leaked is leaked by each.
    """
    last, grown = private_bytes(server), []
    for _ in range(MOST_ROUNDS):
        work()
        now = private_bytes(server)
        grown.append(now - last)
        last = now
        if grown[-1] < most_bytes:
            break
    return min(grown)


def children(server) -> int:
    """Processes of loads, beside those that the standard library keeps."""
    return len(psutil.Process(server._process.pid).children(recursive=True))


def load_and_unload(client, count: int, formats: tuple[str, ...], threads: int = 4) -> None:
    def work(n: int) -> None:
        model_id = f"m{n}"
        client.load(model_id, formats[n % len(formats)])
        client.unload(model_id)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(count)))


def cancel_at_random(client, count: int) -> None:
    chance = random.Random(0)
    calls = []
    for n in range(count):
        model_id = f"c{n % 3}"
        call = client.loading(model_id, FORMATS[n % len(FORMATS)])
        try:
            call.result(timeout=chance.uniform(0, 0.15))
        except Exception:
            call.cancel()
        client.unload(model_id)
        assert code_of(lambda model_id=model_id: client.size(model_id)) == "NOT_FOUND"
        calls.append(call)
    assert {call.code().name for call in calls} <= {"OK", "CANCELLED", "ABORTED"}


@pytest.mark.parametrize(
    ("count", "killable"),
    [
        (300, 60),
        pytest.param(
            8000, 2000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)], id="ten thousand"
        ),
    ],
)
def test_loads_and_unloads_leave_the_memory_as_it_was(server, client, count, killable) -> None:
    load_and_unload(client, 40, FORMATS)
    processes = children(server)

    def work() -> None:
        if LOADED_INSIDE:
            load_and_unload(client, count, LOADED_INSIDE)
        load_and_unload(client, killable, LOADED_APART)

    assert growth(server, work, MOST_BYTES) < MOST_BYTES
    assert children(server) <= processes
    until(lambda: [model.id for model in server.models] == ["double"])


@pytest.mark.parametrize(
    "count", [40, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_loads_cancelled_at_random_moments_leave_nothing(server, client, count) -> None:
    cancel_at_random(client, 12)
    processes = children(server)
    assert growth(server, lambda: cancel_at_random(client, count), MOST_BYTES) < MOST_BYTES
    assert children(server) <= processes
    assert client.load("after", "churn.skops").sizeInBytes


def test_clients_that_vanish_and_requests_that_are_wrong_cost_nothing(
    server, client, connect
) -> None:
    values = np.zeros(2**20, np.float32)

    def flood(count: int) -> None:
        for _ in range(count):
            gone = connect(server)
            call = gone.triton.async_infer(
                "double", [tensor_of(values)], callback=lambda result, error: None
            )
            gone.__exit__()
            del call
            assert code_of(lambda: client.infer("double", np.zeros(2**23, np.float32))) == (
                "RESOURCE_EXHAUSTED"
            )
            assert code_of(lambda: client.infer("absent", [1.0])) == "NOT_FOUND"

    flood(10)
    assert growth(server, lambda: flood(30), MOST_BYTES) < MOST_BYTES
    assert client.infer("double", [1.0])["output"].tolist() == [2.0]


def tensor_of(values):
    import tritonclient.grpc as triton

    tensor = triton.InferInput("x", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    return tensor
