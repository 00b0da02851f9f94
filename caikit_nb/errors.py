"""Every error the package raises, on one page.

All derive from `CaikitNbError`, pass their arguments to ``Exception`` and so survive pickling.
Wrong values given to a Python function are plain ``ValueError`` or ``TypeError``; wrong input to
a magic is IPython's ``UsageError``.
"""

from __future__ import annotations

import pickle


class CaikitNbError(Exception):
    """The root of the package's own errors."""


class JobError(CaikitNbError):
    """A job did not give a result, for a reason other than an exception in its own code."""


class JobDiedError(JobError):
    """The job's process ended without an answer. Raised by `JobFuture.result`.

    Attributes:
        explanation: What is known about the death, in one line.
        exit_code: The exit status; negative is minus the signal's number; None if unknown.
        tail: The last lines that the job wrote.
    """

    def __init__(self, explanation: str, exit_code: int | None = None, tail: str = "") -> None:
        super().__init__(explanation, exit_code, tail)
        self.explanation = explanation
        self.exit_code = exit_code
        self.tail = tail

    def __str__(self) -> str:
        if not self.tail:
            return self.explanation
        return f"{self.explanation}\nIts last lines:\n{self.tail}"


class JobOutOfMemoryError(JobDiedError, MemoryError):
    """The job was ended for want of memory. Raised by `JobFuture.result`."""


class JobTimeoutError(JobError, TimeoutError):
    """The job ran past its ``timeout``. Raised by `JobFuture.result`.

    Attributes:
        timeout_s: The limit it passed, in seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"the job ran past its timeout of {self.timeout_s:g} s and was ended"


class JobLost(JobError):
    """Nobody can say how the job ended. Raised by `JobFuture.result`."""


class ReplayError(JobError):
    """A job can't be run again as it was. Raised by `JobFuture.replay`, and nothing was started.

    Attributes:
        job_name: The job.
        why: What is missing.
    """

    def __init__(self, job_name: str, why: str) -> None:
        super().__init__(job_name, why)
        self.job_name = job_name
        self.why = why

    def __str__(self) -> str:
        return f"job {self.job_name!r} can't be replayed: {self.why}"


class JobNotHereError(JobError, RuntimeError):
    """The job was started by the process that this one is a copy of, and had not ended then.

    Its end is never heard of here. Raised by whatever would wait for it or end it.

    Attributes:
        job_name: The job.
    """

    def __init__(self, job_name: str) -> None:
        super().__init__(job_name)
        self.job_name = job_name

    def __str__(self) -> str:
        return (
            f"job {self.job_name!r} runs beside this one, and its end is not heard of in a forked "
            f"copy: ask for its result in the notebook, and submit this job when it is there"
        )


class JobResultExpired(JobError):
    """The job's result is gone: its retention ended, or it was purged.

    Raised by `JobFuture.result`, `JobFuture.exception` and `JobFuture.outputs`.

    Attributes:
        job_name: The job.
        why: How the result went.
    """

    def __init__(self, job_name: str, why: str) -> None:
        super().__init__(job_name, why)
        self.job_name = job_name
        self.why = why

    def __str__(self) -> str:
        return (
            f"the result of job {self.job_name!r} is gone: {self.why}. "
            "Keep results longer with --retain, or pin() the job."
        )


class JobNotFoundError(CaikitNbError, KeyError):
    """No job has that id, or its retention is over. Raised by `LocalJobBase.get_local_future`.

    Attributes:
        job_id: The id.
        kind: What kind of id it is.
    """

    def __init__(self, job_id: str, kind: str = "background_id") -> None:
        super().__init__(job_id, kind)
        self.job_id = job_id
        self.kind = kind

    def __str__(self) -> str:
        return f"Unknown {self.kind}: {self.job_id}"


class UnpicklableError(CaikitNbError, pickle.PicklingError):
    """A value can't cross to or from the job's process. Raised by submission and by `result`.

    It is a ``pickle.PicklingError``, as an executor raises it.

    Attributes:
        name: The variable or argument.
        explanation: What stops it, in one line.
    """

    def __init__(self, name: str, explanation: str) -> None:
        super().__init__(name, explanation)
        self.name = name
        self.explanation = explanation

    def __str__(self) -> str:
        return self.explanation


class ForkRefusedError(CaikitNbError):
    """``start_method="fork"`` was asked for where a fork could hang the kernel or the job.

    Raised by submission, before anything starts.

    Attributes:
        reason: Why it isn't safe.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"fork isn't safe here: {self.reason}. Use -m auto, forkserver or spawn; to fork "
            "all the same, set %config CaikitJobs.allow_unsafe_fork = True"
        )


class RemoteTraceback(Exception):
    """The traceback as the job saw it, shown as the cause of the error that came home."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


class BackendError(CaikitNbError):
    """A backend isn't known, can't be started, or lacks its optional packages."""


class ExperimentError(CaikitNbError):
    """The root of what `caikit_nb.experiments` raises."""


class DatabaseError(ExperimentError):
    """The experiments' database can't be opened, read or written; what was stored stays.

    Raised by everything in `caikit_nb.experiments` that touches it.
    """


class NotInDatabaseError(ExperimentError, AssertionError):
    """An experiment that no database knows was asked for its jobs (contracts S10)."""


class ResourceExistsError(ExperimentError):
    """The name is taken. Raised by `ExperimentDB.add_experiment`."""


class ResourceMissingError(ExperimentError, LookupError):
    """There is no such experiment or job. Raised by whoever gets or deletes one."""


class UnsafeUpdateError(ExperimentError):
    """Somebody else has changed or deleted the job since it was read, and nothing was written.

    Raised by `experiments.Job.put` and `experiments.Job.try_run`.

    Attributes:
        job_id: The job.
        experiment_name: Its experiment.
        deleted: ``job`` or ``experiment`` if that was deleted; empty if the job was changed.
    """

    def __init__(self, job_id: str, experiment_name: str, deleted: str = "") -> None:
        super().__init__(job_id, experiment_name, deleted)
        self.job_id = job_id
        self.experiment_name = experiment_name
        self.deleted = deleted

    def __str__(self) -> str:
        name = f"experiment {self.experiment_name!r}"
        if self.deleted == "experiment":
            return f"{name} was deleted, so its job {self.job_id!r} was not stored"
        if self.deleted:
            return f"job {self.job_id!r} of {name} was deleted, and nothing was written"
        return (
            f"job {self.job_id!r} of {name} was changed by somebody else, and nothing was written: "
            "get it anew with experiment.get_job"
        )


class NoJobError(ExperimentError):
    """The experiment has no job to run now. Raised by `Experiment.next_job`.

    Attributes:
        experiment_name: The experiment.
        why: The reason.
    """

    def __init__(self, experiment_name: str, why: str = "none is queued") -> None:
        super().__init__(experiment_name, why)
        self.experiment_name = experiment_name
        self.why = why

    def __str__(self) -> str:
        return f"experiment {self.experiment_name!r} has no job to run: {self.why}"


class UnstorableValueError(ExperimentError, ValueError):
    """A hyperparameter or result can't be written as JSON. Raised before anything is stored.

    Attributes:
        key: Where it is, as in ``results['history'][2]``.
        why: What is wrong with it.
    """

    def __init__(self, key: str, why: str) -> None:
        super().__init__(key, why)
        self.key = key
        self.why = why

    def __str__(self) -> str:
        return f"{self.key} can't be stored: {self.why}"


class JobPruned(CaikitNbError):
    """Raised by a job's own code to end it as PRUNED: a poor trial that is not worth its time."""


class ServingError(CaikitNbError):
    """The root of what `caikit_nb.serving` raises."""


class ServerError(ServingError):
    """A model server can't be started, or is gone. Raised by `serve` and by `ModelServer`."""


class InvalidRequestError(ServingError, ValueError):
    """A request says what isn't accepted: an empty id, a path outside the root, a wrong tensor.

    Nothing was attempted. Clients get it as INVALID_ARGUMENT.
    """


class ModelMissingError(ServingError, LookupError):
    """There is no such model: not loaded here, or no file at its path. Clients get NOT_FOUND."""


class ModelRefusedError(ServingError):
    """A model won't be loaded as things are; nothing was attempted.

    It is not trusted, can't be read, or its library isn't installed. Clients get it as
    FAILED_PRECONDITION.
    """


class ModelTooLargeError(ServingError):
    """A model is larger than the server may hold. Clients get it as RESOURCE_EXHAUSTED."""


class ModelLoadError(ServingError):
    """A model was read, and could not be made of its file. Clients get it as INTERNAL."""


class LoadAbortedError(ServingError):
    """A load was ended by a cancellation or an unload. Clients get it as ABORTED."""


class ModelBusyError(ServingError):
    """More requests wait for a model than may. Clients get it as RESOURCE_EXHAUSTED."""


class PredictionError(ServingError):
    """The model's own code failed. Clients get it as INTERNAL."""
