"""What the trainer and the predictor share: the session's workshop, caikit's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from caikit.core.exceptions.caikit_core_exception import (
    CaikitCoreException,
    CaikitCoreStatusCode,
)

from caikit_nb.compat.caikit.futures import CaikitFuture
from caikit_nb.errors import JobNotFoundError
from caikit_nb.jobs.local_job_base import LocalJobBase
from caikit_nb.jobs.submission import session_hooks
from caikit_nb.session import current_session

F = TypeVar("F", bound=CaikitFuture)


class JobOwner(LocalJobBase, Generic[F]):
    """Runs caikit's jobs in the session's workshop: its queue, its cards, its table."""

    def start_shown(self, make: Callable[[str], F], job_id: str) -> F:
        """Start a job (see `start_future`) that the session knows and a notebook shows."""
        executor = current_session().executor
        self._workshop = executor.workshop  # a notebook may have opened another one meanwhile
        self._purge_old_futures()
        future = self.start_future(make, job_id)
        executor.adopt(future)
        session_hooks().show(future)
        return future

    def get_local_future(self, id: str) -> F:
        """The future of that id, always the same object (contracts J19, J31).

        Raises:
            CaikitCoreException: there is none, or its retention is over (``NOT_FOUND``).
        """
        try:
            return cast(F, super().get_local_future(id))
        except JobNotFoundError as error:
            raise CaikitCoreException(CaikitCoreStatusCode.NOT_FOUND, str(error)) from None
