"""A future whose work is a method of its own."""

from __future__ import annotations

import abc
import datetime
import logging
import pickle
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from caikit_nb.backends.local_backend import LocalBackend
from caikit_nb.execution.call import function_inputs
from caikit_nb.execution.pickler import dumps
from caikit_nb.jobs import inside
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.job_ids import make_job_id
from caikit_nb.jobs.options import DefaultPolicy, JobOptions
from caikit_nb.jobs.save_paths import check_id, check_name, plan_save
from caikit_nb.jobs.saved_results import SavedModel
from caikit_nb.jobs.submission import Identity, Submission, Work, session_hooks
from caikit_nb.jobs.workshop import Workshop, shared_workshop

logger = logging.getLogger(__name__)

_backend = LocalBackend()

# What a fork can't be trusted with goes to a fresh interpreter instead: "auto" says just that.
_METHODS = {"fork": "auto", "forkserver": "forkserver", "spawn": "spawn"}


@dataclass(frozen=True, slots=True)
class Home:
    """Whose future is being made."""

    workshop: Workshop
    retain: datetime.timedelta | None


_PLAIN = ("_future_name", "_module_class", "_id", "_save_path")
_pickling: ContextVar[frozenset[int]] = ContextVar("caikit_nb_pickling", default=frozenset())

home: ContextVar[Home | None] = ContextVar("caikit_nb_home", default=None)


class LocalJobFuture(JobFuture, abc.ABC):
    """A job on this machine that does what its subclass's `run` says (contracts J1 to J15).

    Its work starts in the constructor, so a subclass sets what `run` needs before it calls that.
    In a fresh interpreter `run` gets a stand-in: with the properties named here and those of the
    subclass's own attributes that can be pickled, but no job.

    Args:
        future_name: The owner's name, which an id that is made here carries.
        module_class: What the job makes, for `run`.
        save_path: Where its results go; None for nowhere. What `run` makes there goes when the
            retention ends (contracts J18); what was there before stays, with all that is in it.
        save_with_id: Save in a directory named by the id, which goes when the retention ends.
        future_id: The id; a new one if None.
        args: What `run` gets.
        kwargs: What `run` gets by name.
        model_name: A part of the path after the id, see `plan_save`.
        use_subprocess: Run in a process instead of a thread.
        extra_path_args: Last parts of the path.
        subprocess_start_method: ``fork``, ``forkserver`` or ``spawn``. For ``fork``, where it
            isn't safe now, a forkserver is taken and the log says why.

    Raises:
        ValueError: an argument that isn't accepted; nothing was started then.
        UnpicklableError: `run` or its arguments can't cross to a fresh interpreter.
    """

    def __init__(
        self,
        future_name: str,
        module_class: Any,
        save_path: Any,
        save_with_id: bool,
        future_id: str | None,
        args: Iterable[Any],
        kwargs: Mapping[str, Any],
        model_name: str | None = None,
        use_subprocess: bool = False,
        extra_path_args: Iterable[str] | None = None,
        subprocess_start_method: str = "fork",
    ) -> None:
        method = _start_method(use_subprocess, subprocess_start_method)
        self._future_name, self._module_class = check_name(future_name), module_class
        self._id = check_id(make_job_id(future_name) if future_id is None else future_id)
        place = plan_save(
            save_path,
            self._id,
            save_with_id=save_with_id,
            model_name=model_name,
            extra_path_args=extra_path_args,
        )
        self._save_path = None if place is None else place.path
        if use_subprocess and place is None:
            logger.warning("job %s has a process of its own and no save_path", self._id)
        inputs = function_inputs(self.run, tuple(args or ()), kwargs)
        self._start(inputs, method, Identity(self._id, place))
        if (subprocess_start_method, self.start_method) == ("fork", "forkserver"):
            logger.warning("job %s runs %s", self._id, self._job.spec.reason)

    def _start(self, inputs: Mapping[str, Any], method: str, identity: Identity) -> None:
        here = home.get() or Home(shared_workshop(), None)
        submission = Submission(
            Work(inside.run_function, lambda _: inputs),
            JobOptions(self._job_name, method, retain=here.retain),
            DefaultPolicy(),
            session_hooks(),
            next_name=str,
            backend=_backend,
            identity=identity,
        )
        tasks = submission.tasks()
        job = here.workshop.make_job(submission.spec)
        place = identity.place
        saved = None
        if place is not None and place.id_directory is None:
            saved = SavedModel(place.path, job)
        own = set(vars(self))
        super().__init__(job)
        self._machinery = frozenset(vars(self)) - own
        here.workshop.start(job, tasks, backend=_backend)
        if saved is not None:
            saved.claim()

    @property
    def _job_name(self) -> str:
        """What the job is called where jobs are shown."""
        return self._future_name

    @abc.abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The work: called with ``args`` and ``kwargs``, in the job. Returns the result."""

    def __repr__(self) -> str:
        status = f": {self.status.word}" if hasattr(self, "_job") else ""
        return f"<{type(self).__name__} {self._id}{status}>"

    @property
    def id(self) -> str:
        """The job's id (contracts J8)."""
        return self._id

    @property
    def name(self) -> str:
        """The owner's name."""
        return self._future_name

    @property
    def module_class(self) -> Any:
        """What the job makes."""
        return self._module_class

    @property
    def save_path(self) -> str | None:
        """Where the job saves; None if it doesn't (contracts J10)."""
        return self._save_path

    @property
    def _completion_time(self) -> datetime.datetime | None:
        return self.completion_time

    @_completion_time.setter
    def _completion_time(self, when: datetime.datetime) -> None:
        self._job.end_at(when)

    def __reduce__(self) -> tuple[Any, ...]:
        machinery = {*getattr(self, "_machinery", ()), "_machinery"}
        own = {name: value for name, value in vars(self).items() if name not in machinery}
        state = {name: own.pop(name) for name in _PLAIN}
        return _stand_in, (type(self), state, _pickled(self, own))


def _start_method(use_subprocess: bool, method: str) -> str:
    if method not in _METHODS:
        raise ValueError(
            f"{method!r} is not a subprocess_start_method: use one of {', '.join(_METHODS)}"
        )
    return _METHODS[method] if use_subprocess else "thread"


def _pickled(future: LocalJobFuture, own: Mapping[str, Any]) -> dict[str, bytes]:
    """The attributes that can be pickled: the others stay here, such as a lock or a connection."""
    if id(future) in _pickling.get():
        return {}  # an attribute leads back to the future
    token = _pickling.set(_pickling.get() | {id(future)})
    try:
        pickles = {name: _try_pickle(name, value) for name, value in own.items()}
    finally:
        _pickling.reset(token)
    return {name: data for name, data in pickles.items() if data is not None}


def _try_pickle(name: str, value: Any) -> bytes | None:
    try:
        return dumps(value)
    except Exception as error:  # noqa: BLE001 - pickling runs the user's own code
        logger.debug("the attribute %s stays in this process: %s", name, error)
        return None


def _stand_in(
    kind: type[LocalJobFuture], state: Mapping[str, Any], own: Mapping[str, bytes]
) -> LocalJobFuture:
    """What `run` gets in a fresh interpreter."""
    future = kind.__new__(kind)
    vars(future).update(state)
    for name, data in own.items():
        vars(future)[name] = pickle.loads(data)  # noqa: S301 - written by this user's own kernel
    return future
