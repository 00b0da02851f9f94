"""The settings: ``%config CaikitJobs`` lists and changes them."""

from __future__ import annotations

import copy
from typing import Any, Self

from traitlets import Any as AnyTrait
from traitlets import (
    Bool,
    Dict,
    Enum,
    Float,
    Int,
    List,
    TraitError,
    Unicode,
    default,
    observe,
    validate,
)
from traitlets.config import Config, Configurable

from caikit_nb.backends import backend_types
from caikit_nb.errors import BackendError
from caikit_nb.jobs import job_future
from caikit_nb.jobs.durations import parse_duration
from caikit_nb.jobs.options import usable_cores
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.jobs.start_method import START_METHODS
from caikit_nb.notebook import nested_loop


class BackendSettings(dict[str, Any]):
    """Settings of backends by name. Objects among them, such as a cluster, are never copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)({name: copy.copy(settings) for name, settings in self.items()})


class CaikitJobs(Configurable):
    """Background jobs of this session."""

    max_workers = Int(
        min=1, help="How many jobs run at once; as shipped, the cores this process may use."
    ).tag(config=True)
    start_method = Enum(
        START_METHODS, default_value="auto", help="How jobs start unless -m says otherwise."
    ).tag(config=True)
    backend = Unicode(
        "local",
        help="Where jobs run unless -b says otherwise: local, inline, dask, or another's name.",
    ).tag(config=True)
    backend_config: Any = Dict(
        help="Settings of backends by name, for those started from then on: "
        "{'dask': {'address': 'tcp://HOST:8786'}}.",
    ).tag(config=True)
    retention_duration = AnyTrait(
        "1d",
        help="How long a result is kept once its job has ended: 90s, 1h30m, 1d12h, a number of "
        "seconds; 'forever' or None keeps it for the session.",
    ).tag(config=True)
    cancel_grace_s = Float(
        2.0,
        min=0.0,
        help="Seconds a cancelled job has before it is killed: it gets SIGINT at once and SIGTERM "
        "at half time.",
    ).tag(config=True)
    exit_grace = AnyTrait(
        "10s",
        help="How long a job's process has, once the job's code has ended, for what a program does "
        "at its end: threads and processes are waited for, handlers of atexit run, files are "
        "written. Then it is ended: 90s, 1h30m, a number of seconds; 'forever' for no limit.",
    ).tag(config=True)
    allow_unsafe_fork = Bool(
        False, help="Let -m fork fork also where that can hang the job or the kernel."
    ).tag(config=True)
    memory_limit = AnyTrait(
        None,
        allow_none=True,
        help="How much memory of its own a job may have unless --memory-limit says otherwise: "
        "4GB, 512MiB, a number of bytes; None for no limit.",
    ).tag(config=True)
    max_results = Int(
        None,
        allow_none=True,
        min=1,
        help="How many ended jobs' results are kept, the newest; None for all. Pinned ones stay.",
    ).tag(config=True)
    max_result_bytes = AnyTrait(
        None,
        allow_none=True,
        help="How much ended jobs' results may hold together: 4GB, 512MiB, a number of bytes; "
        "None for no limit. The oldest go first; the newest and pinned ones stay.",
    ).tag(config=True)
    max_replay_bytes = AnyTrait(
        "10MB",
        help="How much a job keeps of its inputs on disk, so that it can be replayed: 100MB, a "
        "number of bytes; 0 to keep none.",
    ).tag(config=True)
    keep_made_bytes = AnyTrait(
        "100MB",
        help="How much a job keeps on disk, as long as its result, of the variables that its cell "
        "has made and no -o names, so that they can be brought back: 1GB, a number of bytes; 0 "
        "to keep none.",
    ).tag(config=True)
    experiments = Unicode(
        None,
        allow_none=True,
        help="Where experiments are kept: sqlite:///FILE, postgresql://HOST/NAME; None for what "
        "$CAIKIT_NB_EXPERIMENTS says, else a file in your data directory.",
    ).tag(config=True)
    min_free_memory = AnyTrait(
        None,
        allow_none=True,
        help="While less memory than this is free and a job runs, no other is started: 2GB, "
        "512MiB, a number of bytes; None to start them all the same.",
    ).tag(config=True)
    wait_at_end = Bool(
        False,
        help="Where a notebook is executed with nobody there, as by nbclient, nbconvert or "
        "papermill, a cell ends when its jobs have: the notebook has their results, and none is "
        "cut off by its end.",
    ).tag(config=True)
    nested_loop = Bool(
        False,
        help="Let a blocking wait made from code on an event loop keep that loop's tasks running "
        "(needs nest-asyncio2).",
    ).tag(config=True)
    preload = List(
        Unicode(),
        help="Modules that fresh interpreters have imported before a job starts; "
        "read until the first one is made.",
    ).tag(config=True)

    def update_config(self, config: Config) -> None:
        """Take over new values, as ``%config`` does; it copies what they hold."""
        section = config.get(type(self).__name__, {})
        given = section.get("backend_config")
        if isinstance(given, dict):
            section["backend_config"] = BackendSettings(given)
        super().update_config(config)

    @default("max_workers")
    def _default_max_workers(self) -> int:
        return usable_cores()

    @validate("backend")
    def _check_backend(self, proposal: Any) -> Any:
        try:
            backend_types.backend_class(proposal["value"])
        except (ValueError, BackendError) as error:
            raise TraitError(f"CaikitJobs.backend: {error}") from None
        return proposal["value"]

    @validate("backend_config")
    def _check_backend_config(self, proposal: Any) -> Any:
        for name, config in proposal["value"].items():
            try:
                backend_types.backend_class(name)(config)
            except (ValueError, TypeError, AssertionError, BackendError) as error:
                raise TraitError(f"CaikitJobs.backend_config: {error}") from None
        return proposal["value"]

    @validate("retention_duration", "exit_grace")
    def _check_duration(self, proposal: Any) -> Any:
        try:
            parse_duration(proposal["value"])
        except ValueError as error:
            raise TraitError(f"CaikitJobs.{proposal['trait'].name}: {error}") from None
        return proposal["value"]

    @validate(
        "memory_limit", "min_free_memory", "max_result_bytes", "max_replay_bytes", "keep_made_bytes"
    )
    def _check_size(self, proposal: Any) -> Any:
        try:
            if proposal["value"] is not None:
                parse_size(proposal["value"])
        except ValueError as error:
            raise TraitError(f"CaikitJobs.{proposal['trait'].name}: {error}") from None
        return proposal["value"]

    @observe("nested_loop")
    def _switch_nested_loop(self, change: Any) -> None:
        job_future.set_nested_wait(nested_loop.load() if change["new"] else None)
