"""tqdm inside a job: its bars go to the job's card, with no change to the user's code.

A bar is caught where it draws itself. Bars made outside a job, and bars that the user sends to a
file of their own, stay what they are.
"""

from __future__ import annotations

import functools
import inspect
import io
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from caikit_nb.execution.streams import is_standard
from caikit_nb.jobs.import_hooks import when_imported
from caikit_nb.jobs.inside import Inside, here
from caikit_nb.jobs.open_bars import new_id, open_bars

# Where tqdm has classes that draw in other ways, and how those are called.
_FLAVOURS = {
    "tqdm.notebook": "tqdm_notebook",
    "tqdm.rich": "tqdm_rich",
    "tqdm.gui": "tqdm_gui",
    "tqdm.tk": "tqdm_tk",
}
_OPTIONS_OF_FLAVOURS = ("display", "progress", "options", "grab", "tk_parent", "cancel_callback")
_FILE_AT = 4  # the place of `file` among the arguments


class _Nowhere(io.StringIO):
    """Takes what a bar writes beside its drawing."""

    def write(self, text: str) -> int:
        return len(text)

    def isatty(self) -> bool:
        """Bars that show only in front of people show on a card."""
        return True


@functools.cache
def install() -> None:
    """Teach tqdm's classes to draw on the card of the job they are made in. Idempotent."""
    when_imported("tqdm.std", lambda module: _wrap(module.tqdm))
    for module_name, class_name in _FLAVOURS.items():
        when_imported(module_name, functools.partial(_wrap_flavour, class_name))


def _wrap(kind: Any) -> None:
    display, iterate = kind.display, kind.__iter__

    @functools.wraps(display)
    def new_display(self: Any, msg: str | None = None, pos: int | None = None) -> Any:
        inside = _line_of(self)
        if inside is None:
            return display(self, msg, pos)
        if msg != "":
            inside.bars.tell(self._caikit_nb_id, _state(self))
        return True

    def new_iter(self: Any) -> Iterator[Any]:
        return iterate(self) if _line_of(self) is None or self.disable else _counted(self)

    kind.__init__, kind.close = _opening(kind.__init__), _closing(kind.close)
    kind.display, kind.__iter__ = new_display, new_iter


def _opening(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
        inside = here()
        if inside is not None:
            for option in _OPTIONS_OF_FLAVOURS:
                kwargs.pop(option, None)
            given = args[_FILE_AT] if len(args) > _FILE_AT else kwargs.get("file")
            if inside.can_tell and (given is None or is_standard(given)):
                self._caikit_nb, self._caikit_nb_id = inside, new_id()
                kwargs["gui"] = False
                if len(args) > _FILE_AT:
                    args = (*args[:_FILE_AT], _Nowhere(), *args[_FILE_AT + 1 :])
                else:
                    kwargs["file"] = _Nowhere()
        init(self, *args, **kwargs)
        if _line_of(self) is not None and not self.disable:
            self._caikit_nb_source = _Source(self)
            open_bars.watch(self._caikit_nb_source)

    return new_init


def _closing(close: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(close)
    def new_close(self: Any) -> None:
        inside = _line_of(self)
        if inside is None or self.disable:
            close(self)
            return
        state = _state(self)
        self._caikit_nb_source.close()
        close(self)
        inside.bars.tell(self._caikit_nb_id, {**state, "closed": True})

    return new_close


def _counted(bar: Any) -> Iterator[Any]:
    """Iterate as tqdm does, but keep the bar's own count true at every step."""
    try:
        for item in bar.iterable:
            yield item
            bar.n += 1
    finally:
        bar.close()


def _depth(bar: Any) -> int:
    """How many bars of its job are above it: tqdm counts those of other jobs in threads, too."""
    place = _place(bar)
    return sum(
        isinstance(other, _Source) and other.place < place for other in open_bars.of(bar._caikit_nb)
    )


def _place(bar: Any) -> int:
    place = getattr(bar, "pos", 0)
    return abs(place) if isinstance(place, int) else 0


class _Source:
    """A bar to look after; one that nobody holds any more closes itself."""

    def __init__(self, bar: Any) -> None:
        self.owner: Inside = bar._caikit_nb
        self._bar = weakref.ref(bar)
        self._told: Any = None
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def place(self) -> float:
        """The bar's own line among all of the process; below all if there is no such bar."""
        bar = self._bar()
        return math.inf if bar is None else _place(bar)

    def look(self) -> bool:
        bar = self._bar()
        if bar is None:
            return False
        with self._lock:  # a look that is late would open a closed bar again
            if self._is_closed:
                return False
            shown = (bar.n, bar.total, bar.desc, getattr(bar, "postfix", None))
            if shown != self._told:
                self._told = shown
                self.owner.bars.tell(bar._caikit_nb_id, _state(bar))
        return True

    def close(self) -> None:
        """Nothing is told from here on."""
        with self._lock:
            self._is_closed = True
        open_bars.drop(self)


def _wrap_flavour(class_name: str, module: Any) -> None:
    """In a job a class that draws in a way of its own behaves like the class it is made from."""
    kind = getattr(module, class_name)
    for name, own in tuple(vars(kind).items()):
        if inspect.isfunction(own) and hasattr(kind.__base__, name):
            setattr(kind, name, _by_place(kind, name, own))


def _by_place(kind: Any, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "__init__":
            self._caikit_nb_plain = here() is not None
            if self._caikit_nb_plain:
                self.status_printer = super(kind, self).status_printer
        if getattr(self, "_caikit_nb_plain", False):
            return getattr(super(kind, self), name)(*args, **kwargs)
        return own(self, *args, **kwargs)

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
        "position": _depth(bar),
        "leave": bar.leave is not False,
        "closed": False,
    }
