"""tqdm inside a job: its bars go to the job's card, with no change to the user's code.

A bar is caught where it draws itself. Bars made outside a job, and bars that the user sends to a
file of their own, stay what they are.
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from caikit_nb.jobs.inside import Inside, here

_LOOK_EVERY_S = 0.25

_ids = itertools.count()
_installed: list[str] = []

# What the notebook flavour of tqdm changes in order to draw widgets.
_DRAWING = (
    "__init__",
    "display",
    "status_printer",
    "close",
    "clear",
    "reset",
    "update",
    "__iter__",
)


class _Nowhere(io.StringIO):
    """Takes what a bar writes beside its drawing."""

    def write(self, text: str) -> int:
        return len(text)


def install() -> None:
    """Teach tqdm's classes to draw on the card of the job they are made in. Idempotent."""
    import tqdm.std

    if not _installed:
        _installed.append("std")
        _wrap(tqdm.std.tqdm)
    # Only where there are widgets can tqdm.auto choose the notebook flavour.
    if "ipywidgets" in sys.modules and "notebook" not in _installed:
        import tqdm.notebook

        _installed.append("notebook")
        _wrap_notebook(tqdm.notebook.tqdm_notebook, tqdm.std.tqdm)


def _wrap(kind: Any) -> None:
    init, display, close, iterate = kind.__init__, kind.display, kind.close, kind.__iter__

    def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
        inside = here()
        given = kwargs.get("file")
        if inside is not None and given in (None, sys.stdout, sys.stderr) and len(args) < 5:
            self._caikit_nb = inside
            self._caikit_nb_id = next(_ids)
            kwargs.update(file=_Nowhere(), gui=False)
            kwargs.pop("display", None)
        init(self, *args, **kwargs)

    def new_display(self: Any, msg: str | None = None, pos: int | None = None) -> Any:
        inside = _line_of(self)
        if inside is None:
            return display(self, msg, pos)
        if msg != "":
            inside.bars.tell(self._caikit_nb_id, _state(self))
        return True

    def new_close(self: Any) -> None:
        inside = _line_of(self)
        was_open = not self.disable
        state = _state(self) if inside is not None and was_open else None
        close(self)
        if inside is not None and state is not None:
            inside.bars.tell(self._caikit_nb_id, {**state, "closed": True})

    def new_iter(self: Any) -> Iterator[Any]:
        return iterate(self) if _line_of(self) is None or self.disable else _counted(self)

    kind.__init__, kind.display, kind.close = new_init, new_display, new_close
    kind.__iter__ = new_iter


def _counted(bar: Any) -> Iterator[Any]:
    """Iterate as tqdm does, but keep the bar's own count true at every step.

    tqdm counts in a variable of its own until it draws next; a loop that becomes slow just after
    a drawing would then show an old count for as long as its step takes.
    """
    _open_bars.watch(bar)
    try:
        for item in bar.iterable:
            yield item
            bar.n += 1
    finally:
        bar.close()


class _OpenBars:
    """Tells how far the open bars are, four times a second while there are any."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked process nobody watches yet."""
        self._lock = threading.Lock()
        self._bars: list[Any] = []
        self._thread: threading.Thread | None = None

    def watch(self, bar: Any) -> None:
        """Look after a bar until it is closed."""
        with self._lock:
            self._bars.append(bar)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="caikit_nb bars", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        told: dict[int, float] = {}
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._lock:
                self._bars = [bar for bar in self._bars if not bar.disable]
                if not self._bars:
                    self._thread = None
                    return
                bars = tuple(self._bars)
            for bar in bars:
                if told.get(bar._caikit_nb_id) != bar.n:
                    told[bar._caikit_nb_id] = bar.n
                    bar.display()


_open_bars = _OpenBars()
os.register_at_fork(after_in_child=_open_bars.forget)


def _wrap_notebook(kind: Any, plain: Any) -> None:
    """In a job the notebook flavour behaves like the plain one."""
    for name in _DRAWING:
        own = kind.__dict__.get(name)
        if own is not None and name != "status_printer":
            setattr(kind, name, _by_place(own, getattr(plain, name), name))


def _by_place(own: Any, plain: Any, name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        in_job = here() is not None if name == "__init__" else _line_of(self) is not None
        if in_job and name == "__init__":
            self.displayed = True
        return (plain if in_job else own)(self, *args, **kwargs)

    return method


def _line_of(bar: Any) -> Inside | None:
    inside = getattr(bar, "_caikit_nb", None)
    return inside if isinstance(inside, Inside) else None


def _state(bar: Any) -> dict[str, Any]:
    told = bar.format_dict
    return {
        "id": bar._caikit_nb_id,
        "desc": (told.get("prefix") or "").removesuffix(": "),
        "n": told["n"],
        "total": told["total"],
        "elapsed_s": told["elapsed"],
        "rate": told["rate"],
        "unit": told["unit"],
        "unit_scale": bool(told["unit_scale"]),
        "postfix": told.get("postfix") or "",
        "position": abs(bar.pos) if isinstance(getattr(bar, "pos", 0), int) else 0,
        "leave": bar.leave is not False,
        "closed": False,
    }
