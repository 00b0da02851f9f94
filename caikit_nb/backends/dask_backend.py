"""Jobs on a Dask cluster (the extra ``dask``)."""

from __future__ import annotations

import atexit
import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import dask
from distributed import Client, LocalCluster, default_client

from caikit_nb.backends.backend_types import register_backend_type
from caikit_nb.backends.base import Running, Task, TaskListener
from caikit_nb.backends.cluster_backend import ClusterBackend
from caikit_nb.backends.dask_checks import check_workers, suitable_workers
from caikit_nb.backends.dask_line import DaskLine
from caikit_nb.backends.remote_running import RemoteRunning
from caikit_nb.errors import BackendError

_REACH_S = 5.0
_PLACES = ("client", "cluster", "scheduler_file", "address")


class DaskBackend(ClusterBackend):
    """Runs each task in a process of its own on a worker of a Dask cluster.

    Which cluster: the one of its settings; else the program's current ``Client``; else what
    Dask's own configuration names (``DASK_SCHEDULER_ADDRESS``); else one that is started on this
    machine.

    Args:
        config: ``address``, ``scheduler_file``, or an object as ``cluster`` or ``client``;
            ``security`` as `distributed.Client` takes it; ``unreachable_s``, how long a cluster
            may not answer before its jobs count as lost (120); ``reconnect_s``, how long a job
            goes on where Dask has given up its kernel (10).

    Raises:
        ValueError: another setting; names those that there are.
    """

    backend_type = "DASK"
    settings: ClassVar[Mapping[str, Any]] = {
        "address": None,
        "scheduler_file": None,
        "cluster": None,
        "client": None,
        "security": None,
        "unreachable_s": 120.0,
        "reconnect_s": 10.0,
    }

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self._client: Client | None = None
        self._line: DaskLine | None = None
        self._undo = contextlib.ExitStack()

    @property
    def is_started(self) -> bool:
        """Whether it was started, not stopped, and its cluster has not gone for good."""
        return self._started and self._line is not None and self._line.is_alive

    def start(self) -> None:
        """Connect to the cluster, and see that its workers can run jobs.

        Raises:
            BackendError: it can't be reached, or they can't; says what to do.
        """
        if self.is_started:
            return
        self.stop()
        with contextlib.ExitStack() as undo:
            client = self._connect(undo)
            check_workers(client)
            line = DaskLine(client, self._seconds("unreachable_s"), self._seconds("reconnect_s"))
            undo.callback(_close, client, line)
            atexit.register(self.stop)
            undo.callback(atexit.unregister, self.stop)
            self._client, self._line, self._started = client, line, True
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """End what still runs, and give back what `start` made."""
        self._started = False
        self._undo.close()
        self._client = self._line = None

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        """Take a task (see `BackendBase.submit`).

        Raises:
            UnpicklableError: an input can't be pickled.
            BackendError: no worker has the resources, or is the one, that it asks for.
        """
        if self._line is None or self._client is None:
            raise BackendError("backend 'dask' is not started")
        if task.options:
            workers = self._client.sync(self._line.described_workers)
            suitable_workers(workers, task.options)
        return RemoteRunning(task, listener, self._line, like)

    def _seconds(self, name: str) -> float:
        return float(self._setting(name))

    def _connect(self, undo: contextlib.ExitStack) -> Client:
        given = {name: self.config[name] for name in _PLACES if self.config.get(name) is not None}
        if len(given) > 1:
            raise BackendError(f"backend 'dask': use one of {' or '.join(given)}, not both")
        if not given and (current := _current_client()) is not None:
            given = {"client": current}
        if not given and (address := dask.config.get("scheduler-address", None)) is not None:
            given = {"address": address}
        if not given:
            cluster = undo.enter_context(_local_cluster())
            client = self._own_client(undo, cluster)
            self.summary = f"on a Dask cluster of this machine, started for it ({_size(client)})"
            return client
        client = given["client"] if "client" in given else self._reach(undo, given)
        if client.asynchronous:
            raise BackendError(
                "backend 'dask' needs a Client with a thread of its own: make it without "
                "asynchronous=True"
            )
        self.summary = f"on the Dask cluster {client.scheduler.address} ({_size(client)})"
        return client

    def _reach(self, undo: contextlib.ExitStack, given: Mapping[str, Any]) -> Client:
        """A client of our own, once it is known that somebody answers."""
        (place,) = given.values()
        how = {"scheduler_file": place} if "scheduler_file" in given else {"address": place}
        try:
            self._probe(how)
        except TypeError as error:  # what Dask says to an encrypted address without keys
            raise BackendError(
                f"backend 'dask': {place} is encrypted: give its keys with the setting 'security', "
                "as distributed.Client takes it"
            ) from error
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            where = getattr(place, "scheduler_address", place)
            raise BackendError(
                f"backend 'dask': no Dask scheduler answers at {where} within {_REACH_S:g} s "
                f"({type(error).__name__}); see that it runs, and that this machine may reach it"
            ) from error
        return self._own_client(undo, how.get("address"), scheduler_file=how.get("scheduler_file"))

    def _probe(self, how: Mapping[str, Any]) -> None:
        security = self.config.get("security")
        with (
            _no_warnings(),
            Client(**how, security=security, timeout=_REACH_S, set_as_default=False),
        ):
            pass

    def _own_client(self, undo: contextlib.ExitStack, place: Any, **more: Any) -> Client:
        # A client gives up for good when it could not connect again for this long.
        timeout_s, security = self._seconds("unreachable_s"), self.config.get("security")
        with _no_warnings():
            client = Client(
                place, security=security, timeout=timeout_s, set_as_default=False, **more
            )
        undo.callback(client.close)
        return client


def _current_client() -> Client | None:
    try:
        return default_client()
    except ValueError:  # there is none
        return None


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Other versions on the cluster are looked at by `check_workers`, in our own words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _local_cluster() -> LocalCluster:
    # Jobs have limits of their own; a worker itself needs next to nothing.
    return LocalCluster(threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0")


def _size(client: Client) -> str:
    count = len(client.nthreads())
    return f"{count} worker{'' if count == 1 else 's'}"


def _close(client: Client, line: DaskLine) -> None:
    with contextlib.suppress(Exception):  # the cluster may be gone
        client.sync(line.close, callback_timeout=_REACH_S)


register_backend_type(DaskBackend)
