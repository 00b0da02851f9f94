"""What Dask gives to its tasks and not to a job, as notebooks/which_backend.md says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from caikit_nb.errors import UnpicklableError
from caikit_nb.jobs.executor import JobExecutor
from tests.backends.dask_cluster import Cluster
from tests.lazy import Lazy

distributed, dask_backend = Lazy("distributed"), Lazy("caikit_nb.backends.dask_backend")

WAIT_S = 180.0


@pytest.fixture(scope="module")
def executor(workers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobExecutor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAIKIT_NB_DIR", str(tmp_path_factory.mktemp("sessions")))
        backend = dask_backend.DaskBackend({"address": workers.address})
        with JobExecutor(backend=backend) as running:
            yield running
            running.close()


def ask_for_the_worker() -> object:
    from distributed import get_worker

    return get_worker()


def leave_the_pool() -> None:
    from distributed import secede

    secede()


def ask_for_the_client() -> object:
    from distributed import get_client

    return get_client()


def use_a_client_of_its_own(address: str) -> object:
    from distributed import Client

    with Client(address) as client:
        return client.submit(sum, [1, 2]).result()


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (ask_for_the_worker, "No worker found"),
        (leave_the_pool, "No worker found"),
        (ask_for_the_client, "No global client found"),
    ],
)
def test_a_job_is_no_task(executor: JobExecutor, work: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        executor.submit(work).result(WAIT_S)


def test_a_job_opens_a_client_by_its_address(executor: JobExecutor, workers: Cluster) -> None:
    assert executor.submit(use_a_client_of_its_own, workers.address).result(WAIT_S) == 3


def test_a_client_that_a_function_names_is_refused_at_once(
    executor: JobExecutor, workers: Cluster
) -> None:
    named = distributed.Client(workers.address, set_as_default=False)
    with named as client, pytest.raises(UnpicklableError, match="client"):
        executor.submit(lambda: client.submit(sum, [1, 2]).result())


def test_a_future_comes_without_its_client(executor: JobExecutor, workers: Cluster) -> None:
    with distributed.Client(workers.address, set_as_default=False) as client:
        future = client.submit(sum, [1, 2])
        with pytest.raises(RuntimeError, match="not properly initialized"):
            executor.submit(lambda sent: sent.result(), future).result(WAIT_S)
