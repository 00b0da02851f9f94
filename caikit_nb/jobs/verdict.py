"""What the outcome of an attempt means for its job."""

from __future__ import annotations

from caikit_nb.errors import JobDiedError, JobOutOfMemoryError
from caikit_nb.execution.exception_pickler import PackedError
from caikit_nb.execution.outcome import Died, Outcome, Raised
from caikit_nb.jobs.last_words import headline, last_words
from caikit_nb.jobs.logs import LogSpool

Failure = PackedError | BaseException

_TAIL_LINES = 200
GIVEN_UP = "given up as a poor trial"
_PRUNINGS = ("caikit_nb.errors.JobPruned", "optuna.exceptions.TrialPruned")


def failure_of(outcome: Outcome, log: LogSpool) -> Failure | None:
    """The error that it stands for; None for a success."""
    if isinstance(outcome, Died):
        kind = JobOutOfMemoryError if outcome.memory else JobDiedError
        return kind(outcome.explanation, outcome.exit_code, last_words(log.text(tail=_TAIL_LINES)))
    return outcome.error if isinstance(outcome, Raised) else None


def is_interrupt(failure: Failure) -> bool:
    """Whether somebody interrupted it."""
    if isinstance(failure, PackedError):
        return failure.nodes[0].type_name.rpartition(".")[2] == "KeyboardInterrupt"
    return isinstance(failure, KeyboardInterrupt)


def is_pruning(failure: Failure) -> bool:
    """Whether its own code gave it up as a poor trial."""
    if isinstance(failure, PackedError):
        return failure.nodes[0].type_name in _PRUNINGS
    return f"{type(failure).__module__}.{type(failure).__qualname__}" in _PRUNINGS


def reason_of(failure: Failure) -> str:
    """Why the job has ended so, in one line."""
    said = headline(failure)
    bare = said.rpartition(".")[2] in ("JobPruned", "TrialPruned")
    return GIVEN_UP if bare and is_pruning(failure) else said


def is_wanted(failure: Failure) -> bool:
    """Whether somebody meant it to end so: who does that does not want it anew."""
    return is_interrupt(failure) or is_pruning(failure)
