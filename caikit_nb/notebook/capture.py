"""Which values go with a cell into a fresh interpreter."""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.pickler import dumps, make_known
from caikit_nb.execution.user_code import asking_code_of, module_of
from caikit_nb.jobs.start_method import Choice
from caikit_nb.notebook.cell_names import find_names

_MAKES_CLASSES = re.compile(
    r"\bclass\b|\btype\(|%run|namedtuple|make_dataclass|create_model|Enum\("
)
# What may define any name.
_DEFINES_OTHERS = re.compile(
    r"import\s*\*|%(run|store|load|pylab)|\b(exec|eval|globals|vars|setattr|get_ipython)\("
)
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


class Capture:
    """Finds a cell's inputs once it is known how it starts.

    Args:
        shell: Whose namespace.
        source: The cell.
        names: The variables that the user named; None to find them from the source.
        given: Names that the job binds itself (its hyperparameters).
        try_out: Whether values that only a magic mentions are pickled to see that they can be.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        source: str,
        names: tuple[str, ...] | None,
        given: tuple[str, ...],
        *,
        try_out: bool = True,
    ) -> None:
        self._shell, self._source, self._names, self._given = shell, source, names, given
        self._try_out = try_out
        self.notes: list[str] = []

    def inputs(self, choice: Choice) -> Mapping[str, Any]:
        """The values by name; none where the job sees the namespace itself."""
        if choice.method in ("fork", "thread"):
            return {}
        namespace = self._shell.user_ns
        found = find_names(self._source, self._shell, namespace)
        if self._names is not None:
            # Modules go by name only, and nobody would think of naming them.
            modules = {n for n in found.reads if issubclass(type(namespace[n]), types.ModuleType)}
            return {name: namespace[name] for name in {*self._names, *modules}}
        wanted = {name: namespace[name] for name in sorted(found.reads) if name not in self._given}
        for name in sorted(found.mentions - set(self._given)):
            if not self._try_out or _can_be_pickled(namespace[name]):
                wanted[name] = namespace[name]
            else:
                self.notes.append(f"{name} is mentioned in a magic and can't be shipped")
        return wanted

    def writes(self) -> list[str]:
        """The variables that the cell stores."""
        return sorted(name for name in self._stored if not name.startswith("_"))

    @functools.cached_property
    def _stored(self) -> frozenset[str]:
        return find_names(self._source, self._shell, self._shell.user_ns).writes

    def doubt(self, outs: Iterable[str]) -> list[str]:
        """Note which of the variables to come home the cell doesn't mention: a typo, most likely.

        Told only at the end, the value would be lost by then.

        Returns:
            Their names.
        """
        if _DEFINES_OTHERS.search(self._source):
            return []
        doubted = []
        for name in outs:
            is_known = name in self._given or name in self._shell.user_ns
            if is_known or re.search(rf"\b{re.escape(name)}\b", self._source):
                continue
            close = difflib.get_close_matches(name, sorted(self._stored), 1)
            hint = f": did you mean {close[0]}?" if close else ""
            self.notes.append(f"--out {name}: the cell has no such name{hint}")
            doubted.append(name)
        return doubted

    def submodules(self) -> list[str]:
        """The imported submodules that the cell names, as ``xml.sax`` does after its import.

        A module travels by its name, and importing that alone does not import these.
        """
        found: dict[str, None] = {}
        for dotted in _DOTTED.findall(self._source):
            head, *parts = dotted.split(".")
            module = self._shell.user_ns.get(head)
            name = module.__name__ if issubclass(type(module), types.ModuleType) else ""
            for part in parts:
                name = f"{name}.{part}"
                if name not in sys.modules:
                    break
                found[name] = None
        return list(found)


def _can_be_pickled(value: object) -> bool:
    try:
        dumps(value, buffer_callback=lambda _: None)
    except Exception:  # noqa: BLE001 - the user's own pickling code
        return False
    return True


class TrackedClasses:
    """Tells cloudpickle of the notebook's classes before a fork.

    Otherwise an instance that comes back from the copy would be of another class of that name.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        # By its number, which another class may have later; the user's metaclass isn't asked.
        self._known: dict[int, weakref.ref[type]] = {}
        self._cells_seen = 0

    def track(self) -> None:
        """Make each class of the notebook known that was not seen before."""
        for value in list(self._shell.user_ns.values()):
            # By its type: an object may say of itself that it is a class, or run code to say it.
            if issubclass(type(value), type) and _is_the_notebooks(value):
                self._track(value)
        if self._may_be_elsewhere():  # in a registry, or only in an instance
            for kind in _all_classes():
                if module_of(kind) == "__main__":
                    self._track(kind)

    def _may_be_elsewhere(self) -> bool:
        """Whether a cell that was run since may have made a class: to look at all takes 10 ms."""
        cells: list[str] = self._shell.history_manager.input_hist_raw  # type: ignore[union-attr]
        new = cells[self._cells_seen if self._cells_seen <= len(cells) else 0 :]
        self._cells_seen = len(cells)
        return any(_MAKES_CLASSES.search(cell) for cell in new)

    def _track(self, kind: type) -> None:
        number = id(kind)
        known = self._known.get(number)
        if known is None or known() is not kind:
            self._known[number] = weakref.ref(kind, lambda _: self._known.pop(number, None))
            if not asking_code_of(kind):  # of the user's own metaclass
                with contextlib.suppress(Exception):
                    make_known(kind)


def _all_classes() -> Iterator[type]:
    found, seen = [object], set[int]()
    while found:
        kind: Any = found.pop()
        if id(kind) not in seen:
            seen.add(id(kind))
            yield kind
            found += type.__subclasses__(kind)


def _is_the_notebooks(kind: type) -> bool:
    """Whether it was made in ``__main__``, or by a library that doesn't know it by its name.

    `dataclasses.make_dataclass` and its like give their classes a module of their own.
    """
    module = module_of(kind)
    if module == "__main__":
        return True
    known = sys.modules.get(module) if type(module) is str else None
    name = type.__dict__["__name__"].__get__(kind)
    return known is not None and name not in vars(known)
