"""What the contract's tasks do, wherever they run: importable, and without pytest."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import NoReturn

from caikit_nb.execution.call import RESULT, Call, Port
from caikit_nb.jobs.inside import current_job, log_metric, progress

_STEP_S = 0.01  # code that never comes back to Python can't be ended in a thread


def give_back(call: Call, port: Port) -> Mapping[str, object]:
    """The runner that gives back its inputs, ``value`` as the result."""
    return {RESULT: call.inputs["value"], **call.inputs}


def tell(call: Call, port: Port) -> Mapping[str, object]:
    """The runner that sends the numbers below ``count`` as messages."""
    for number in range(call.inputs["count"]):
        port.send({"kind": "number", "number": number})
    return {RESULT: None}


def write(call: Call, port: Port) -> Mapping[str, object]:
    """The runner that prints lines to stdout, and one to stderr."""
    for number in range(call.inputs["count"]):
        print(f"line {number}")  # noqa: T201 - what a user's code does
    print("a warning", file=sys.stderr)  # noqa: T201
    return {RESULT: None}


def fail(call: Call, port: Port) -> NoReturn:
    """The runner that raises a LookupError."""
    raise LookupError("there is no such thing")


def stay(call: Call, port: Port) -> NoReturn:
    """The runner that says that it is there, and stays until it is ended."""
    port.send({"kind": "here"})
    stay_for_ever()


def stay_until_interrupted(call: Call, port: Port) -> Mapping[str, object]:
    """The runner that stays until KeyboardInterrupt is raised in it, and then returns."""
    try:
        stay(call, port)
    except KeyboardInterrupt:
        return {RESULT: "interrupted"}


def stay_for_ever() -> NoReturn:
    """A function that does not end."""
    never = threading.Event()
    while True:
        never.wait(_STEP_S)


def double(number: int) -> int:
    """A function."""
    return 2 * number


def report(count: int) -> int:
    """A function that reports a bar and a metric of so many steps."""
    for step in progress(range(count), desc="steps"):
        log_metric(step=step, height=step / 2)
    return count


def fail_before(attempt: int) -> int:
    """A function that succeeds only in its job's attempt of that number; gives the number."""
    job = current_job()
    if job is None or job.attempt < attempt:
        raise ConnectionError("not yet")
    return job.attempt
