"""How the Dask backend finds its cluster, and what it refuses before anything is sent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from caikit_nb.backends import BackendBase, line
from caikit_nb.backends.backend_types import backend_class
from caikit_nb.errors import BackendError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.session import current_session
from tests.backends.dask_cluster import Cluster, cluster
from tests.lazy import Lazy

distributed, dask_backend = Lazy("distributed"), Lazy("caikit_nb.backends.dask_backend")

WAIT_S = 180.0


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))


def runs(backend: BackendBase) -> bool:
    with JobExecutor(backend=backend) as executor:
        pid = executor.submit(os.getpid).result(WAIT_S)
        executor.close()
    return pid != os.getpid()


def test_it_is_found_by_its_name() -> None:
    assert backend_class("dask") is dask_backend.DaskBackend


def test_a_scheduler_file_leads_to_a_cluster(workers: Cluster) -> None:
    backend = dask_backend.DaskBackend({"scheduler_file": str(workers.file)})
    assert runs(backend)
    assert workers.address in backend.summary


def test_a_client_is_used_and_left_open(workers: Cluster) -> None:
    with distributed.Client(workers.address, set_as_default=False) as client:
        assert runs(dask_backend.DaskBackend({"client": client}))
        assert client.submit(len, "abc").result(WAIT_S) == 3


def test_the_first_job_of_a_connection_is_heard_and_not_only_looked_for(
    workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_BEAT_S", 2 * WAIT_S)  # nobody looks
    for _ in range(5):
        assert runs(dask_backend.DaskBackend({"address": workers.address}))


def test_the_programs_current_client_is_used(workers: Cluster) -> None:
    backend = dask_backend.DaskBackend()
    with distributed.Client(workers.address):
        backend.start()
        assert workers.address in backend.summary
        backend.stop()


def test_dasks_own_configuration_is_obeyed(
    workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    backend = dask_backend.DaskBackend()
    with dask.config.set({"scheduler-address": workers.address}):
        backend.start()
    assert workers.address in backend.summary
    backend.stop()


@pytest.mark.slow
def test_a_cluster_object_leads_to_it() -> None:
    with distributed.LocalCluster(1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as made:
        assert runs(dask_backend.DaskBackend({"cluster": made}))
        assert str(made.status) == "Status.running"


def test_with_nothing_said_a_cluster_of_this_machine_is_started_and_ended() -> None:
    backend = dask_backend.DaskBackend()
    with JobExecutor(backend=backend) as executor:
        assert executor.submit(len, "abc").result(WAIT_S) == 3
        assert "on a Dask cluster of this machine, started for it (" in backend.summary
        address = backend._client.scheduler.address  # type: ignore[union-attr]
        executor.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))


@pytest.mark.slow
def test_where_nobody_answers_is_said_soon() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(BackendError, match=f"no Dask scheduler answers at {address} within"):
            dask_backend.DaskBackend({"address": address}).start()


def test_what_is_no_address_is_said() -> None:
    with pytest.raises(BackendError, match="no Dask scheduler answers at nowhere://x"):
        dask_backend.DaskBackend({"address": "nowhere://x"}).start()


def test_an_asynchronous_client_is_refused(workers: Cluster) -> None:
    class Asynchronous:
        asynchronous = True

    with pytest.raises(BackendError, match="make it without asynchronous=True"):
        dask_backend.DaskBackend({"client": Asynchronous()}).start()


def test_two_places_are_one_too_many() -> None:
    config = {"address": "tcp://127.0.0.1:1", "scheduler_file": "x"}
    with pytest.raises(BackendError, match="use one of scheduler_file or address, not both"):
        dask_backend.DaskBackend(config).start()


@pytest.mark.slow
def test_a_worker_without_the_package_is_refused_and_lives_on(
    workers: Cluster, tmp_path: Path
) -> None:
    bare = tmp_path / "sitecustomize.py"
    bare.write_text("import sys\nsys.modules['caikit_nb'] = None\n")
    with cluster(tmp_path, 1, environment={"PYTHONPATH": str(tmp_path)}) as without:
        with pytest.raises(BackendError, match=r"lacks the package caikit_nb; .*pip install"):
            dask_backend.DaskBackend({"address": without.address}).start()
        with distributed.Client(without.address, set_as_default=False) as client:
            assert client.submit(len, "abc").result(WAIT_S) == 3


def test_a_kernel_of_another_python_is_refused(
    workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caikit_nb.backends.dask_checks._PYTHON", "3.9")
    with pytest.raises(BackendError, match=r"has Python 3\.\d+; this kernel has Python 3.9: start"):
        dask_backend.DaskBackend({"address": workers.address}).start()


def test_a_worker_of_another_python_that_came_later_refuses_the_task(
    workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JobExecutor(backend=dask_backend.DaskBackend({"address": workers.address})) as executor:
        executor._backends.get("dask")
        monkeypatch.setattr("caikit_nb.backends.dask_line._PYTHON", (3, 9))
        with pytest.raises(BackendError, match=r"this worker has Python 3\.\d+, and the kernel"):
            executor.submit(len, "abc").result(WAIT_S)
        executor.close()


def test_a_missing_package_names_its_extra(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['distributed'] = None\n"
        "from caikit_nb.backends.backend_types import backend_class\n"
        "try:\n    backend_class('dask')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "BackendError backend 'dask' needs: pip install \"caikit_nb[dask]\"" in told.stdout


def helper_word() -> str:
    import sent_along  # what the test uploads

    return sent_along.WORD


def test_a_file_that_was_uploaded_is_found_by_jobs(workers: Cluster, tmp_path: Path) -> None:
    module = tmp_path / "sent_along.py"
    module.write_text("WORD = 'here'\n")
    with distributed.Client(workers.address, set_as_default=False) as client:
        client.upload_file(str(module))
        with JobExecutor(backend=dask_backend.DaskBackend({"client": client})) as executor:
            assert executor.submit(helper_word).result(WAIT_S) == "here"
            executor.close()


@pytest.mark.slow
def test_a_secured_cluster_needs_its_security() -> None:
    security = distributed.Security.temporary()
    with distributed.LocalCluster(
        1, threads_per_worker=1, dashboard_address="127.0.0.1:0", security=security
    ) as made:
        address = made.scheduler_address
        assert address.startswith("tls://")
        assert runs(dask_backend.DaskBackend({"address": address, "security": security}))
        with pytest.raises(BackendError, match=f"{address} is encrypted: give its keys"):
            dask_backend.DaskBackend({"address": address}).start()


def fit(rate: float) -> dict[str, float]:
    return {"score": rate * 2}


def test_an_experiment_runs_on_it(
    workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caikit_nb.experiments import ExperimentDB, GridSearch

    monkeypatch.setenv("CAIKIT_NB_EXPERIMENTS", f"sqlite:///{tmp_path / 'experiments.sqlite'}")
    search = GridSearch("grid", {"rate": [1.0, 2.0]})
    ExperimentDB().add_experiment(search)
    with distributed.Client(workers.address):  # the current client, which needs no settings
        search.run(fit, backend="dask").wait()
        assert {job.results["score"] for job in search.all_jobs()} == {2.0, 4.0}
        current_session().close()
