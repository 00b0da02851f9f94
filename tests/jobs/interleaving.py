"""Runs a few threads in every order in which they could run, over the code as it is.

Each actor is a thread. One runs at a time; before each line of the code that is looked at, and
before it takes a lock, the next to run is chosen. The locks that the code makes meanwhile are
ours, so that who waits for one is known, and who waits for ever is found. All choices are tried,
depth first, by running everything anew; where all threads stand as they stood in an earlier run,
and everything else is as it was, what comes next has been tried.
"""

from __future__ import annotations

import contextlib
import enum
import gc
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

_real_lock = threading.Lock
_STUCK_S = 180.0
_CONTAINERS = (dict, list, tuple, set, frozenset, deque, str, bytes, bytearray)


class _GivenUp(BaseException):
    """Ends an actor of a run that is over."""


class Actor(threading.Thread):
    """One of the threads."""

    def __init__(self, run: Run, name: str, body: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self._of, self._body = run, body
        self.turn = _real_lock()
        self.turn.acquire()
        self.waits_for: Lock | None = None
        self.frame: types.FrameType | None = None
        self.place: tuple[object, ...] = ()
        self.has_ended = False
        self.error: BaseException | None = None

    def run(self) -> None:
        self.turn.acquire()
        sys.settrace(self._trace)
        try:
            self._body()
        except _GivenUp:
            pass
        except BaseException as error:
            self.error = error
        finally:
            sys.settrace(None)
            self.frame, self.has_ended = None, True
            self._of.pass_on(self)

    def can_go(self) -> bool:
        return not self.has_ended and (self.waits_for is None or self.waits_for.is_free_for(self))

    def _trace(self, frame: types.FrameType, _event: str, _arg: object) -> Any:
        return self._trace_first if frame.f_code.co_filename in self._of.files else None

    def _trace_first(self, frame: types.FrameType, event: str, _arg: object) -> Any:
        # A function's first line is a part of the line that calls it.
        return self._trace_line if event == "line" else self._trace_first

    def _trace_line(self, frame: types.FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            self.frame = frame
            self._of.pass_on(self)
        return self._trace_line

    def stand(self) -> None:
        """Remember where it stands; until it goes on, that is its place."""
        places: list[object] = [self.has_ended, self.waits_for is not None]
        frame = self.frame
        while frame is not None:
            if frame.f_code.co_filename in self._of.files:
                places += [frame.f_code, frame.f_lasti]
                places += [digest(value) for value in frame.f_locals.values()]
            frame = frame.f_back
        self.place = tuple(places)


class Lock:
    """Like ``threading.Lock`` and ``threading.RLock``, and known to the run."""

    def __init__(self, run: Run, *, reentrant: bool = False) -> None:
        self._run, self._reentrant = run, reentrant
        self.owner: object = None
        self.count = 0
        run.locks.append(self)

    def is_free_for(self, whom: object) -> bool:
        return not self.count or (self._reentrant and self.owner is whom)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """There is no time here: who waits in steps waits for as long as its steps would."""
        me = self._run.me()
        if isinstance(me, Actor) and me.frame not in (sys._getframe(1), sys._getframe(2)):
            self._run.pass_on(me)
        while not self.is_free_for(me):
            if not blocking:
                return False
            assert isinstance(me, Actor), "nobody else runs who could give it back"
            me.waits_for = self
            self._run.pass_on(me)
            me.waits_for = None
        self.owner, self.count = me, self.count + 1
        return True

    def release(self) -> None:
        if not self.count and not self._run.is_over:
            raise RuntimeError("release unlocked lock")
        self.count = max(0, self.count - 1)
        self.owner = self.owner if self.count else None

    def locked(self) -> bool:
        return bool(self.count)

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # What a condition asks of a lock that can be taken again by its owner.
    def _is_owned(self) -> bool:
        return bool(self.count) and self.owner is self._run.me()

    def _release_save(self) -> int:
        count, self.count, self.owner = self.count, 0, None
        return count

    def _acquire_restore(self, count: int) -> None:
        self.acquire()
        self.count = count


@dataclass(slots=True)
class Scene:
    """What is played.

    Attributes:
        actors: What each thread does.
        state: Objects that make up the state, besides where the threads stand.
        check: Called when all threads have ended.
    """

    actors: dict[str, Callable[[], object]]
    state: list[object]
    check: Callable[[], object]


class Run:
    """One order."""

    def __init__(self, files: frozenset[str], told: tuple[int, ...], seen: set[object]) -> None:
        self.files, self._told, self._seen = files, told, seen
        self.locks: list[Lock] = []
        self.actors: list[Actor] = []
        self.path: list[int] = []
        self.untried: list[tuple[int, int]] = []
        self.is_over, self.hang = False, ""
        self._scene: Scene | None = None
        self._done = _real_lock()
        self._done.acquire()

    def me(self) -> object:
        thread = threading.current_thread()
        return thread if isinstance(thread, Actor) and thread in self.actors else None

    def play(self, make: Callable[[Run], Scene]) -> None:
        """Run it; raises what is wrong with it."""
        self._scene = scene = make(self)
        actors = [Actor(self, name, body) for name, body in scene.actors.items()]
        for actor in actors:
            actor.start()
        self.actors = actors
        self._choose(None).turn.release()  # type: ignore[union-attr]
        assert self._done.acquire(timeout=_STUCK_S), f"a real lock is waited for: {self.story()}"
        for actor in actors:
            actor.join(_STUCK_S)
        self.actors = []
        for actor in actors:
            if actor.error is not None:
                raise AssertionError(f"{actor.name} raised: {self.story()}") from actor.error
        assert not self.hang, f"{self.hang} for ever: {self.story()}"
        try:
            scene.check()
        except AssertionError as wrong:
            raise AssertionError(f"{wrong}: {self.story()}") from wrong

    def story(self) -> str:
        return f"who ran, step by step: {self.path}"

    def pass_on(self, me: object) -> None:
        """Let another one run, or `me` further."""
        if not isinstance(me, Actor):
            return
        if self.is_over:
            if not me.has_ended:
                raise _GivenUp
            return
        is_told = len(self.path) < len(self._told)
        if not is_told:
            me.stand()
        chosen = self._choose(me)
        if chosen is me:
            return
        if is_told:
            me.stand()
        if chosen is None:
            self._end()
        else:
            chosen.turn.release()
        if not me.has_ended:
            me.turn.acquire()
            if self.is_over:
                raise _GivenUp

    def _choose(self, me: Actor | None) -> Actor | None:
        ready = [number for number, actor in enumerate(self.actors) if actor.can_go()]
        if not ready:
            return None
        if len(ready) == 1:
            return self.actors[ready[0]]
        depth = len(self.path)
        if depth < len(self._told):
            chosen = self._told[depth]
        else:
            mine = self.actors.index(me) if me is not None else -1
            chosen = mine if mine in ready else ready[0]
            # Who goes on is a part of it: it is at a line that it has not run.
            state = self._state()
            if state not in self._seen:
                self._seen.add(state)
                self.untried += [(depth, number) for number in ready if number != chosen]
        self.path.append(chosen)
        return self.actors[chosen]

    def _state(self) -> int:
        assert self._scene is not None
        places = tuple(actor.place for actor in self.actors)
        taken = sorted(str(getattr(lock.owner, "name", "")) for lock in self.locks if lock.count)
        return hash((places, tuple(taken), tuple(whole(part) for part in self._scene.state)))

    def _end(self) -> None:
        waiting = [actor for actor in self.actors if not actor.has_ended]
        self.hang = " and ".join(f"{actor.name} waits" for actor in waiting)
        self.is_over = True
        for actor in waiting:
            actor.turn.release()
        self._done.release()


def digest(value: object) -> object:
    """What tells one value from another."""
    if value is None or isinstance(value, bool | int | str | enum.Enum):
        return value
    if isinstance(value, _CONTAINERS):
        return type(value).__name__, len(value)
    return bool(value) if isinstance(value, float) else type(value).__name__


def whole(value: object) -> object:
    """What tells one object from another: its own attributes."""
    if isinstance(value, _CONTAINERS):
        return tuple(digest(item) for item in value)
    names = [*vars(value)] if hasattr(value, "__dict__") else []
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return tuple(digest(getattr(value, name, None)) for name in names)


@dataclass(slots=True)
class Told:
    """What an exploration has done."""

    runs: int = 0
    states: set[object] = field(default_factory=set)


def explore(make: Callable[[Run], Scene], modules: Iterable[types.ModuleType], most: int) -> Told:
    """Play a scene in every order.

    Args:
        make: Makes the scene; what it makes makes its locks by `threading`.
        modules: Those whose lines are run one by one; others run as one step, lock by lock.
        most: In how many runs all orders must have been tried.

    Raises:
        AssertionError: in one of them an actor raises, or hangs, or the scene's check fails.
    """
    files = frozenset(str(module.__file__) for module in modules)
    told, pending = Told(), [()]
    with _no_collection():
        while pending:
            assert told.runs < most, f"there are more than {most} orders"
            run = Run(files, pending.pop(), told.states)
            with _modelled(run):
                run.play(make)
            told.runs += 1
            pending += [(*run.path[:depth], number) for depth, number in run.untried]
    return told


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Finalizers would come at other moments in each run."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def _modelled(run: Run) -> Iterator[None]:
    """Inside, locks that are made by the scene and its actors are ours."""
    here = threading.current_thread()
    real = threading.RLock

    def is_ours() -> bool:
        thread = threading.current_thread()
        return (run._scene is None and thread is here) or isinstance(thread, Actor)

    def lock() -> Any:
        return Lock(run) if is_ours() else _real_lock()

    def rlock() -> Any:
        return Lock(run, reentrant=True) if is_ours() else real()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "Lock", lock)
        patch.setattr(threading, "_allocate_lock", lock)
        patch.setattr(threading, "RLock", rlock)
        yield
