"""What a job is; and, as ``caikit_nb.jobs``, the mapping of this session's jobs.

``caikit_nb.jobs["train"]`` finds a job by name or id, ``list(caikit_nb.jobs)`` gives the names.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def _sessions_registry() -> Mapping[str, Any]:
    importlib.import_module("caikit_nb.session")  # which is above us, and puts its own in our place
    module: Any = sys.modules[__name__]
    return module.find_registry()  # type: ignore[no-any-return]


class _JobsModule(types.ModuleType, Mapping[str, Any]):
    """The package itself is the mapping, as its name is what users type for it."""

    find_registry: Callable[[], Mapping[str, Any]] = staticmethod(_sessions_registry)
    find_table: Callable[[], Any] | None = None

    def __getitem__(self, key: str) -> Any:
        return self.find_registry()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.find_registry())

    def __len__(self) -> int:
        return len(self.find_registry())

    def __bool__(self) -> bool:
        return True  # a module is

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"<caikit_nb.jobs: {names or 'none yet'}>"

    def _ipython_display_(self) -> None:
        if self.find_table is None:
            print(repr(self))  # noqa: T201 - what a terminal without the extension shows
        else:
            self.find_table()


sys.modules[__name__].__class__ = _JobsModule
