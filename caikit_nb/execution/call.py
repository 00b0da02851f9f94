"""A call as a value: what to run, and the values it needs, each shipped on its own."""

from __future__ import annotations

import contextlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution import interrupts
from caikit_nb.execution.awaiting import awaited
from caikit_nb.execution.inheritance import Inheritance
from caikit_nb.execution.messages import Message
from caikit_nb.execution.pickler import dumps
from caikit_nb.execution.transfer import Entry, Store, Writer

RESULT = ""  # the name under which a call's own result travels, beside the variables


class Port(Protocol):
    """What running code can tell its parent."""

    def send(self, message: Message) -> None:
        """Send a message; never raises for what is in it."""


Runner = Callable[["Call", Port], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Call:
    """Something to run elsewhere.

    Attributes:
        runner: An importable function that runs the call and returns values by name.
        inputs: The values it needs; under fork used as they are, else pickled one by one.
        options: Small plain data for the runner.
    """

    runner: Runner
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class FormattedError(Exception):
    """Raised by a runner: the error of the code that ran, and its traceback as lines to show."""

    def __init__(self, error: BaseException, rendered: tuple[str, ...]) -> None:
        super().__init__(error, rendered)
        self.error = error
        self.rendered = rendered


@dataclass(frozen=True, slots=True)
class SealedCall:
    """A call whose inputs lie in a memory file, ready for a fresh interpreter."""

    runner: Runner
    options: bytes
    entries: tuple[Entry, ...]
    inheritance: Inheritance | None = None

    def open(self, fd: int) -> Call:
        """The call again, in the process that has the memory file as `fd`."""
        store = Store(fd)
        options = pickle.loads(self.options)  # noqa: S301 - sealed by this user's own kernel
        inherited = (
            contextlib.nullcontext() if self.inheritance is None else self.inheritance.entered()
        )
        with inherited:
            inputs = store.load_all(self.entries)
        for value in inputs.values():
            if isinstance(value, UnpicklableError):
                raise value
        return Call(self.runner, inputs, options)

    def with_options(self, options: Mapping[str, Any]) -> SealedCall:
        """The same inputs for a call with other options."""
        inheritance = None if self.inheritance is None else self.inheritance.copy()
        return replace(self, options=dumps(dict(options)), inheritance=inheritance)

    def close(self) -> None:
        """Its process has been started, or never will."""
        if self.inheritance is not None:
            self.inheritance.close()

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes shipped, by name; modules, of which only the name goes, are left out."""
        return {e.name: e.size_bytes for e in self.entries if e.type_name != "module"}


def seal(call: Call, fd: int, inheritance: Inheritance | None = None) -> SealedCall:
    """Write a call's inputs into the memory file `fd`.

    Args:
        call: The call.
        fd: The file.
        inheritance: Takes what a process of multiprocessing can be given, and nobody else. Close
            the sealed call once that is started.

    Raises:
        UnpicklableError: an input can't be pickled; names it and what stops it.
    """
    if inheritance is None:
        return _sealed(call, Writer(fd, shared=True, main_globals=True))
    writer = Writer(fd, shared=True, main_globals=True, reduced=inheritance.reduced)
    try:
        with inheritance.collecting():
            return replace(_sealed(call, writer), inheritance=inheritance)
    except BaseException:
        inheritance.close()
        raise


def _sealed(call: Call, writer: Writer) -> SealedCall:
    with interrupts.allowed():  # pickling is the user's code
        entries = tuple(writer.add(name, value) for name, value in call.inputs.items())
    for entry in entries:
        if entry.error is not None:
            raise UnpicklableError(entry.name, entry.error)
    return SealedCall(call.runner, dumps(dict(call.options)), entries)


def run_function(call: Call, port: Port) -> Mapping[str, object]:
    """The runner of plain calls: inputs ``function``, ``args``, ``kwargs``.

    What a function that is ``async`` gives is awaited, on a loop of its own.
    """
    result = call.inputs["function"](*call.inputs["args"], **call.inputs["kwargs"])
    return {RESULT: awaited(result) if inspect.iscoroutine(result) else result}


def run_for_effect(call: Call, port: Port) -> Mapping[str, object]:
    """Like `run_function`, but what the call returns stays where it is."""
    run_function(call, port)
    return {RESULT: None}


def function_inputs(
    function: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The inputs that `run_function` takes."""
    return {"function": function, "args": args, "kwargs": dict(kwargs or {})}
