"""What code inside a job can ask and tell: `current_job`, `progress`, `log_metric`."""

from __future__ import annotations

import contextlib
import numbers
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from caikit_nb.execution import call as calls
from caikit_nb.execution.call import Call, Port
from caikit_nb.execution.messages import Message
from caikit_nb.jobs import kept_values, seeds
from caikit_nb.jobs.open_bars import open_bars
from caikit_nb.jobs.options import Trial

T = TypeVar("T")

_FLUSH_S = 0.1


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """The job that is running this code.

    Attributes:
        id: Its id.
        name: Its name.
        params: Its hyperparameters, as given with ``-p`` or ``params=``.
        attempt: Which attempt this is, from 1.
        seed: What its random numbers began with.
        save_path: Where it saves; None if it wasn't given a path.
        trial: Its row in an experiment; None if it has none.
    """

    id: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    seed: int | None = None
    save_path: str | None = None
    trial: Trial | None = None

    @property
    def results(self) -> Mapping[str, Any]:
        """What its experiment gave it to go on from; empty outside experiments."""
        return {} if self.trial is None else self.trial.results

    def should_prune(self, value: float, step: int) -> bool:
        """Report a metric to the job's experiment, whose pruner may give the job up.

        Args:
            value: The metric that the experiment optimises, as it stands.
            step: The epoch, say.

        Returns:
            Whether to end: ``raise caikit_nb.errors.JobPruned()``. False outside experiments.
        """
        return self.trial is not None and self.trial.should_prune(value, step)


class _FlushTimer(threading.Timer):
    """A class of ours, so that `fork_rule` knows its threads."""


class Teller:
    """Sends what changes often in bundles: the first at once, then at most 10 a second."""

    def __init__(self, port: Port, bundle: Callable[[list[Any]], Message]) -> None:
        self._port, self._bundle = port, bundle
        self._lock = threading.Lock()
        self._items: dict[Any, Any] = {}
        self._sent_at = 0.0
        self._timer: threading.Timer | None = None
        self._pid = os.getpid()

    def tell(self, key: Any, item: Any) -> None:
        """Send `item` soon; a later one of the same key takes its place."""
        if os.getpid() != self._pid:
            return  # a process that the job forked: our timer may have held the lock just then
        with self._lock:
            self._items[key] = item
            wait_s = self._sent_at + _FLUSH_S - time.monotonic()
            if wait_s > 0:
                self._send_later(wait_s)
                return
        self.flush()

    def _send_later(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = _FlushTimer(wait_s, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Send what is waiting."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            items, self._items = list(self._items.values()), {}
            self._sent_at = time.monotonic()
            self._timer = None
            if items:
                self._port.send(self._bundle(items))


class Inside:
    """A job's own end of the line to the notebook."""

    def __init__(self, job: CurrentJob, port: Port) -> None:
        self.job = job
        self.bars = Teller(port, lambda items: {"kind": "bars", "bars": items})
        self.metrics = Teller(port, lambda items: {"kind": "metrics", "points": items})
        self._pid = os.getpid()
        self._order = 0
        self._steps: dict[str, int] = {}

    @property
    def can_tell(self) -> bool:
        """Whether this is the job's own process, and not one that the job has forked."""
        return os.getpid() == self._pid

    def log_metric(self, step: float | None, values: Mapping[str, Any]) -> None:
        """See the module's `log_metric`."""
        numbers_by_name = {name: _number(name, value) for name, value in values.items()}
        for name, value in numbers_by_name.items():
            at = self._steps.get(name, 0) if step is None else step
            self._steps[name] = int(at) + 1
            self._order += 1
            self.metrics.tell(self._order, [name, float(at), value])

    def flush(self) -> None:
        """Send what is waiting."""
        open_bars.close(self)
        self.bars.flush()
        self.metrics.flush()


# A job with a process of its own is the same in each of its threads; one in a thread of the
# kernel is known by the thread's context.
_in_process: Inside | None = None
_in_thread: ContextVar[Inside | None] = ContextVar("caikit_nb_job", default=None)


def here() -> Inside | None:
    """The line of the job that runs this code; None outside jobs."""
    return _in_thread.get() or _in_process


@contextlib.contextmanager
def entered(
    job: CurrentJob, port: Port, *, own_process: bool, seeded: Iterable[str] = ()
) -> Iterator[None]:
    """Inside, this code is the job.

    Args:
        job: Which.
        port: Where it reports.
        own_process: Whether it has a process of its own.
        seeded: The libraries whose generators are seeded, in a process of its own.
    """
    global _in_process
    inside = Inside(job, port)
    token = None
    if own_process:
        _in_process = inside
        _own_tqdm_lock()
        if job.seed is not None:
            seeds.seed_generators(job.seed, seeded)
    else:
        token = _in_thread.set(inside)
    try:
        yield
    finally:
        inside.flush()
        if token is not None:
            _in_thread.reset(token)


def load_ahead() -> None:
    """Load what a job imports, before it is there.

    So not each forked one must; and a thread that is cancelled is never within these imports, which
    would leave files open and modules half made.
    """
    _bar_libraries()


def _bar_libraries() -> ModuleType:
    from caikit_nb.jobs import bar_libraries  # which imports us

    return bar_libraries


def run_function(call: Call, port: Port) -> Mapping[str, object]:
    """The runner of a submitted function; ``options["job"]`` says as which job it runs."""
    _bar_libraries().install()
    own, seeded = call.options["own_process"], call.options["seeded"]
    if call.options["keeps_inputs"]:
        kept_values.keep_inputs(call.options["keeping"], lambda: call.inputs, port)
    with entered(call.options["job"], port, own_process=own, seeded=seeded):
        return calls.run_function(call, port)


def _own_tqdm_lock() -> None:
    """Forked processes share tqdm's lock: a job that is killed with it would freeze them all."""
    std: Any = sys.modules.get("tqdm.std")
    kind = getattr(std, "TqdmDefaultWriteLock", None)
    if kind is not None and isinstance(getattr(std.tqdm, "_lock", None), kind):
        if hasattr(kind, "mp_lock"):
            del kind.mp_lock
        kind.th_lock = threading.RLock()
        std.tqdm.set_lock(kind())


def current_job() -> CurrentJob | None:
    """The job that runs this code: its id, name, params, save_path…; None outside jobs."""
    inside = here()
    return None if inside is None else inside.job


def log_metric(step: float | None = None, **values: float) -> None:
    """Add a point to the job card's chart for each named value; no effect outside jobs.

    Args:
        step: The points' place on the x axis; one more than the last one's if None.
        **values: The metrics, e.g. ``loss=0.3``. Scalars of NumPy and torch are fine.

    Raises:
        TypeError: a value is not a number.
    """
    inside = here()
    if inside is not None:
        inside.log_metric(step, values)


def progress(iterable: Iterable[T], total: float | None = None, desc: str = "") -> Iterable[T]:
    """Iterate with a progress bar: on the job's card inside a job, by ``tqdm.auto`` outside.

    Args:
        iterable: What to iterate over.
        total: How many items there are, where ``len(iterable)`` can't tell.
        desc: A few words before the bar.
    """
    if here() is not None:
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm
    bar: Iterable[T] = tqdm(iterable, total=total, desc=desc or None)
    return bar


def _number(name: str, value: Any) -> float:
    if isinstance(value, numbers.Real):
        return float(value)
    try:
        return float(value.item())  # scalars and arrays of one element, of NumPy, torch and kin
    except (AttributeError, TypeError, ValueError, RuntimeError):
        kind = type(value).__name__
        raise TypeError(f"log_metric: {name} must be a number, not {kind}") from None
