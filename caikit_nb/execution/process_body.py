"""What the process classes of every start method share (contracts P1 to P17)."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution import call as calls
from caikit_nb.execution import guard
from caikit_nb.execution.call import Call, SealedCall
from caikit_nb.execution.channel import Channel
from caikit_nb.execution.child import Start, Surroundings, main
from caikit_nb.execution.destroyable import Destroyable
from caikit_nb.execution.exception_pickler import unpack
from caikit_nb.execution.exit_fd import READY, close_with, open_exit_fd
from caikit_nb.execution.fork_rule import end_openmp_pools
from caikit_nb.execution.guardian import guardian
from caikit_nb.execution.inheritance import Inheritance
from caikit_nb.execution.latch import Latch
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.messages import Message, encode
from caikit_nb.execution.outcome import Died, Outcome, Raised, Returned
from caikit_nb.execution.process_reader import ProcessListener, ProcessReader, Silent
from caikit_nb.execution.program_end import living
from caikit_nb.execution.reports import Reports
from caikit_nb.execution.standard_processes import context_of, ensure_fork_server, held_sigint
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import Timer, stillness, watcher

logger = Reports(__name__)

OOM_EXIT_CODES = [137, 9, -9]


class ProcessBody(Destroyable):
    """What the three process classes share. Make one with `DestroyableProcess`."""

    start_method: str

    def __init__(
        self,
        target: Callable[..., Any] | None,
        completion_event: Any,
        args: tuple[Any, ...] | None,
        kwargs: Mapping[str, Any] | None,
        destroy_grace_period: float,
        return_result: bool,
        *,
        call: Call | SealedCall | None = None,
        inputs: int | None = None,
        capture: bool = False,
        gated: bool = False,
        listener: ProcessListener | None = None,
        surroundings: Surroundings | None = None,
        **mp_kwargs: Any,
    ) -> None:
        """See `DestroyableProcess`."""
        super().__init__(target=main, **mp_kwargs)  # type: ignore[call-arg]
        if call is None:
            function = target if target is not None else _nothing
            runner = calls.run_function if return_result else calls.run_for_effect
            call = Call(runner, calls.function_inputs(function, args or (), kwargs))
        self._call, self._inputs_fd = call, inputs
        self._capture, self._gated = capture, gated
        self._listener: ProcessListener = listener or Silent()
        self._surroundings = surroundings or Surroundings()
        self._grace_period_s = destroy_grace_period
        self._return_result = return_result
        self._completion_event = completion_event
        self._destroyed = self._canceled = self._completed = False
        self._refused: RuntimeError | None = None
        self._outcome: Outcome | None = None
        self._settled = Latch()
        self._state_lock, self._answer_lock = threading.Lock(), threading.RLock()
        self._channel: Channel | None = None
        self._reader: ProcessReader | None = None
        self._answer: tuple[Any, BaseException | None] | None = None
        self._sentinel: int | None = None

    def start(self) -> None:
        """Start the process; after `destroy`, record that it was refused (contracts P11).

        Raises:
            AssertionError: it was started before (contracts P12).
        """
        if self._popen is not None:  # type: ignore[attr-defined]
            raise AssertionError("cannot start a process twice")
        with self._state_lock:
            if self._destroyed:
                self._refused = RuntimeError("Not starting work on pre-canceled process")
        if self._refused is not None:
            self._complete()
            return
        if self._channel is not None:
            raise AssertionError("cannot start a process twice")
        self._mark = self._surroundings.mark or guardian.next_mark()
        channel = self._channel = self._open_channel()
        try:
            self._launch(channel)
        except BaseException:
            channel.close()  # a child that was made meanwhile ends at its gate
            raise
        finally:
            if isinstance(self._call, SealedCall):
                self._call.close()
            del self._call
        if not self._gated:
            self.open_gate()
        if self._destroyed:  # meanwhile, from another thread
            self.kill_soon()

    def _launch(self, channel: Channel) -> None:
        assert channel.child is not None  # noqa: S101
        surroundings = replace(
            self._surroundings,
            mark=self._mark,
            is_forked=self.start_method == "fork",
            multiprocessing_method=multiprocessing.get_start_method(allow_none=True),
        )
        self._args = (Start(self._call, channel.child, surroundings),)
        if self._surroundings.single_openmp_thread:
            end_openmp_pools()
        still = stillness.wanted() if self.start_method == "fork" else contextlib.nullcontext()
        if self.start_method == "forkserver":
            ensure_fork_server()
        with held_sigint(), still:
            super().start()  # type: ignore[misc]
        channel.close_child_end()
        popen, limit_bytes = self._popen, surroundings.memory_limit_bytes  # type: ignore[attr-defined]
        self._reader = reader = ProcessReader(
            channel, self._mark, self._listener, popen, self._settle, self.kill_soon, limit_bytes
        )
        living.add(self)
        watcher.call_soon(reader.attach)

    def _open_channel(self) -> Channel:
        if isinstance(self._call, Call) and self.start_method != "fork":
            self._inputs_fd = open_memory_file()
            try:
                self._call = calls.seal(self._call, self._inputs_fd, Inheritance())
            except BaseException:
                os.close(self._inputs_fd)
                raise
        return Channel(self._inputs_fd, self._capture)

    def open_gate(self) -> None:
        """Let a gated process run its call.

        Raises:
            OSError: there is no descriptor left for what it prints or returns; it is ended.
        """
        if self._channel is None or self._reader is None:
            return
        try:
            self._channel.open_gate()
        except OSError:
            self.kill_soon()
            raise
        watcher.call_soon(self._reader.attach_outputs)

    def tell(self, message: Message) -> None:
        """Send the call a message, if it listens; returns at once."""
        channel, frame = self._channel, encode(message)
        if channel is not None:
            watcher.call_soon(lambda: channel.tell(frame))

    def _settle(self, outcome: Outcome) -> None:
        # In this order: whoever waits for the event or joins can ask for everything then.
        with self._state_lock:
            self._outcome = outcome
            self._popen.close()  # type: ignore[attr-defined]
        if not isinstance(outcome, Died):
            self._complete()
        multiprocessing.process._children.discard(self)  # type: ignore[attr-defined]
        living.discard(self)
        self._settled.set()

    def end(self, grace: Grace) -> None:
        """End the process and all that it started; returns at once.

        SIGINT now, SIGTERM and SIGKILL when the grace is over.
        """
        now = time.monotonic()
        watcher.call_soon(lambda: self._signal_tree(signal.SIGINT))
        watcher.call_at(now + grace.terminate_after_s, lambda: self._signal_tree(signal.SIGTERM))
        watcher.call_at(now + grace.kill_after_s, lambda: self._signal_tree(signal.SIGKILL))

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the process's main thread; returns at once."""
        watcher.call_soon(self._interrupt)

    def _interrupt(self) -> None:
        if self._reader is not None:
            self._reader.once_greeted(lambda: self._signal(signal.SIGINT))

    def _signal_tree(self, number: int) -> None:
        if self._settled.is_set() or self._reader is None:
            return  # `start` looks again whether it was destroyed meanwhile
        self._reader.signaled = True
        pid: int = self.pid  # type: ignore[attr-defined]
        reached: list[int] = []
        try:
            reached = guard.signal_marked(self._mark, self._mark, number, pid) if self._mark else []
        except OSError as error:  # no descriptor is left to look at processes with
            logger.warning("only process %s gets signal %s: %s", pid, number, error)
        if pid not in reached:
            self._signal(number)  # it has no mark yet

    def _signal(self, number: int) -> None:
        if not self._settled.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)  # type: ignore[attr-defined]

    def kill_soon(self) -> None:
        """SIGKILL for the process and all that it started; returns at once."""
        watcher.call_soon(lambda: self._signal_tree(signal.SIGKILL))

    def destroy(self) -> None:
        """End the process: SIGTERM, and SIGKILL after the grace period. Blocks (contracts P10)."""
        with self._state_lock:
            if not self._destroyed:
                self._canceled = not self.ran
            self._destroyed = True
        if self._popen is None:  # type: ignore[attr-defined]
            return
        grace = Timer(0.0, lambda: None)
        if not self._settled.is_set():
            watcher.call_soon(lambda: self._signal_tree(signal.SIGTERM))
            grace = watcher.call_later(
                self._grace_period_s, lambda: self._signal_tree(signal.SIGKILL)
            )
        self._settled.wait()
        grace.cancel()
        self._complete()

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and not self.ran  # type: ignore[attr-defined]

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended and its outcome is known (contracts P12)."""
        if self._popen is None:  # type: ignore[attr-defined]
            if self._refused is not None or self._destroyed:
                return
            raise AssertionError("can only join a started process")
        self._settled.wait(timeout)

    @property
    def completion_event(self) -> Any:
        """Set once the call has returned or raised, or was destroyed (contracts P13)."""
        with self._state_lock:
            if self._completion_event is None:
                self._completion_event = context_of(self.start_method).Event()
                if self._completed:
                    self._completion_event.set()
            return self._completion_event

    def _complete(self) -> None:
        with self._state_lock:
            self._completed = True
            event = self._completion_event
        if event is not None:  # it may be the caller's own kind: not under our lock
            event.set()

    @property
    def sentinel(self) -> int:
        """A descriptor that is ready once it has ended, the same one at every call."""
        with self._state_lock:
            if self._sentinel is None and self.is_alive():
                self._sentinel = open_exit_fd(self._popen)  # type: ignore[attr-defined]
                close_with(self, self._sentinel)
            elif self._sentinel is None:
                self._sentinel = READY if self.ran else int(super().sentinel)  # type: ignore[misc]
            return self._sentinel

    @property
    def ran(self) -> bool:
        """Whether it was started and has ended (contracts P9)."""
        return self._outcome is not None

    @property
    def error(self) -> BaseException | None:
        """The call's exception, or what stands for the process's death; None if neither."""
        return self._refused or self._answered()[1]

    def get_or_throw(self) -> Any:
        """The result, None without ``return_result``; raises the error (contracts P14, P17)."""
        if self.is_alive() or self._destroyed:
            logger.error("get_or_throw on a process that runs or was destroyed")
        if (error := self.error) is not None:
            raise error
        return self._answered()[0]

    def _answered(self) -> tuple[Any, BaseException | None]:
        """Result and error, rebuilt once."""
        outcome = self._outcome
        if outcome is None:
            return None, None
        with self._answer_lock:  # the user's classes are rebuilt under it, and may ask us
            if self._answer is None:
                self._answer = self._rebuild(outcome)
            return self._answer

    def _rebuild(self, outcome: Outcome) -> tuple[Any, BaseException | None]:
        if isinstance(outcome, Returned):
            try:
                return (outcome.values.load() if self._return_result else None), None
            except UnpicklableError as error:
                return None, error
        if isinstance(outcome, Raised):
            if isinstance(outcome.error, BaseException):
                return None, outcome.error
            return None, unpack(outcome.error)
        return None, self._death(outcome)

    def _death(self, outcome: Died) -> BaseException | None:
        if outcome.exit_code in OOM_EXIT_CODES:
            return MemoryError("Training process died with OOM error!")
        if outcome.exit_code == 0 or self._canceled:
            return None
        return RuntimeError(f"Training process died with exit code {outcome.exit_code}")


def _nothing() -> None:
    """The call of a process without a target."""
