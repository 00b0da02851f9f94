"""rich inside a job: its bars go to the job's card, what it prints to the job's log.

Nothing here imports rich. Its consoles and progress displays are taught when the user's code
imports them, and behave differently only in jobs, and only where they write to the job's output.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from caikit_nb.execution.streams import is_standard
from caikit_nb.jobs.import_hooks import when_imported
from caikit_nb.jobs.inside import Inside, here
from caikit_nb.jobs.open_bars import new_id, open_bars
from caikit_nb.jobs.progress import MAX_BARS

_LONGEST_LOOK_S = 1.0
_SIZE_COLUMNS = ("DownloadColumn", "FileSizeColumn", "TotalFileSizeColumn", "TransferSpeedColumn")
_NUMBERS_ONLY = re.compile(r"[\W\d_]*(?:\w{1,3}/s|s/\w{1,3})?[\W\d_]*")


@functools.cache
def install() -> None:
    """Teach rich, once it is imported. Idempotent."""
    when_imported("rich.console", lambda module: _wrap_console(module.Console))
    when_imported("rich.live", lambda module: _wrap_live(module.Live))
    when_imported("rich.progress", lambda module: _wrap_progress(module.Progress))


def _wrap_console(kind: Any) -> None:
    """A console of a job is neither a notebook nor a terminal, and has colours all the same."""
    is_terminal, detect_colours = kind.is_terminal, kind._detect_color_system

    def is_jupyter(self: Any) -> bool:
        return bool(vars(self).get("is_jupyter")) and not _is_in_job(self)

    def set_is_jupyter(self: Any, value: bool) -> None:
        vars(self)["is_jupyter"] = value

    def is_job_terminal(self: Any) -> Any:
        return not _is_in_job(self) and is_terminal.__get__(self)

    @functools.wraps(detect_colours)
    def detect(self: Any) -> Any:
        if not _is_in_job(self):
            return detect_colours(self)
        from rich.color import ColorSystem

        return ColorSystem.TRUECOLOR

    kind.is_jupyter = property(is_jupyter, set_is_jupyter)
    kind.is_terminal = property(is_job_terminal, doc=is_terminal.__doc__)
    kind._detect_color_system = detect


def _is_in_job(console: Any) -> bool:
    if here() is None:
        return False
    file = vars(console).get("_file")
    return file is None or is_standard(file)


def _wrap_live(kind: Any) -> None:
    """What redraws itself is shown when it is done: no thread need draw it meanwhile."""
    start = kind.start

    @functools.wraps(start)
    def new_start(self: Any, *args: Any, **kwargs: Any) -> None:
        if not _is_in_job(self.console):
            start(self, *args, **kwargs)
            return
        # Such a thread wouldn't know that it belongs to a job that is itself a thread.
        auto_refresh, self.auto_refresh = self.auto_refresh, False
        try:
            start(self, *args, **kwargs)
        finally:
            self.auto_refresh = auto_refresh

    kind.start = new_start


def _wrap_progress(kind: Any) -> None:
    start, stop, add_task = kind.start, kind.stop, kind.add_task

    @functools.wraps(start)
    def new_start(self: Any) -> None:
        start(self)
        _watch(self)

    @functools.wraps(add_task)
    def new_add_task(self: Any, *args: Any, **kwargs: Any) -> Any:
        task_id = add_task(self, *args, **kwargs)
        _watch(self)
        return task_id

    @functools.wraps(stop)
    def new_stop(self: Any) -> None:
        source = vars(self).get("_caikit_nb_source")
        if source is None or not _is_on_card(self):
            stop(self)
            return
        with _undrawn(self.live):
            self.live.stop()
        open_bars.drop(source)
        source.close()

    kind.start, kind.stop, kind.add_task = new_start, new_stop, new_add_task


@contextlib.contextmanager
def _undrawn(live: Any) -> Iterator[None]:
    """A display that isn't in a terminal prints its last state, unless it is a transient one."""
    transient, live.transient = live.transient, True
    try:
        yield
    finally:
        live.transient = transient


def _is_on_card(progress: Any) -> bool:
    inside = here()
    shown = not progress.disable and not progress.console.quiet
    return inside is not None and inside.can_tell and shown and _is_in_job(progress.console)


def _watch(progress: Any) -> None:
    inside = here()
    if inside is None or not _is_on_card(progress):
        return
    source = vars(progress).get("_caikit_nb_source")
    if source is None:
        source = progress._caikit_nb_source = _Source(progress, inside)
    open_bars.watch(source)
    if len(progress.tasks) <= MAX_BARS:  # bars stand in the order in which they are told of
        source.look()


class _Source:
    """The tasks of a progress display."""

    def __init__(self, progress: Any, inside: Inside) -> None:
        self.owner = inside
        self._progress = weakref.ref(progress)
        self._ids: dict[Any, int] = {}
        self._told: dict[Any, dict[str, Any]] = {}
        self._lock = threading.RLock()  # the user's thread looks, too

    def look(self) -> bool:
        """Tell what has changed; whether the display is still there."""
        if not self._lock.acquire(blocking=False):
            return True  # somebody does it just now
        try:
            return self._look()
        finally:
            self._lock.release()

    def _look(self) -> bool:
        progress = self._progress()
        if progress is None:
            self._tell_of_ends(self._told, leave=True)
            return False
        tasks = {task.id: task for task in progress.tasks if task.visible}
        unit = _unit(progress.columns)
        for key, task in tasks.items():
            self._tell(key, _state(task, unit, _words(progress.columns, task)))
        self._tell_of_ends(self._told.keys() - tasks.keys(), leave=False)
        return True

    def close(self) -> None:
        """The display is at its end."""
        # Whoever looks now may wait for the display's own lock, and its owner for us.
        is_ours = self._lock.acquire(timeout=_LONGEST_LOOK_S)
        try:
            self._look()
            progress = self._progress()
            leave = progress is None or not progress.live.transient
            self._tell_of_ends(self._told, leave=leave)
        finally:
            if is_ours:
                self._lock.release()

    def _tell(self, key: Any, state: dict[str, Any]) -> None:
        told = self._told.get(key, {})
        if any(told.get(name) != value for name, value in state.items() if name not in _CLOCKS):
            self._told[key] = state
            number = self._ids.setdefault(key, new_id())
            self.owner.bars.tell(number, {**state, "id": number})

    def _tell_of_ends(self, keys: Any, *, leave: bool) -> None:
        for key in tuple(keys):
            self._tell(key, {**self._told[key], "closed": True, "leave": leave})
            self._told.pop(key, None)


_CLOCKS = ("elapsed_s", "rate")


def _state(task: Any, unit: str, postfix: str) -> dict[str, Any]:
    return {
        "desc": _plain(task.description),
        "n": task.completed,
        "total": task.total,
        "elapsed_s": task.elapsed or 0.0,
        "rate": task.finished_speed or task.speed,
        "unit": unit,
        "unit_scale": unit == "B",
        "postfix": postfix,
        "position": 0,
        "leave": True,
        "closed": task.finished,
    }


def _unit(columns: Any) -> str:
    names = {type(column).__name__ for column in columns}
    return "it" if names.isdisjoint(_SIZE_COLUMNS) else "B"


def _words(columns: Any, task: Any) -> str:
    """What the user's own columns say, beside what every bar of a card shows."""
    said = (_word(column, task) for column in columns)
    return " ".join(word for word in said if word and not _NUMBERS_ONLY.fullmatch(word))


def _word(column: Any, task: Any) -> str:
    text_format = column if isinstance(column, str) else getattr(column, "text_format", "")
    if text_format:
        said = text_format.format(task=task) if "task.fields" in text_format else ""
        return _plain(said).replace(_plain(task.description), "", 1).strip()
    if type(column).__module__ == "rich.progress":
        return ""
    # Those who refresh rarely keep what they have said last; this may be the last time we ask.
    said = column.render(task)
    return str(getattr(said, "plain", said)).strip() if isinstance(said, _texts()) else ""


def _texts() -> tuple[type, ...]:
    from rich.text import Text

    return (str, Text)


def _plain(markup: str) -> str:
    if "[" not in markup:
        return markup
    from rich.errors import MarkupError
    from rich.text import Text

    try:
        return Text.from_markup(markup).plain
    except MarkupError:
        return markup
