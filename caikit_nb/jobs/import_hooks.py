"""Something to do with a module as soon as it is there, without importing it oneself."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

Action = Callable[[Any], object]


class _Finder(MetaPathFinder):
    """Finds nothing by itself: has the others find, and their loaders tell when they are done."""

    def __init__(self) -> None:
        self.actions: dict[str, list[Action]] = {}
        self._finding = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.actions or getattr(self._finding, "name", None) == fullname:
            return None
        self._finding.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.name = None
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, self)
        return spec

    def act(self, module: ModuleType) -> None:
        """Do what waits for a module; never at the cost of its import."""
        for action in self.actions.pop(module.__name__, ()):
            try:
                action(module)
            except Exception:
                # Another version of the library may look different; it works as it is.
                logger.exception("what a job does with %s after its import failed", module.__name__)


class _Telling(Loader):
    """A loader that tells when it has loaded its module."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self._loader, self._finder = loader, finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # From here on everybody sees the module's own loader, as without us.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._finder.act(module)


_finder = _Finder()


def when_imported(name: str, action: Action) -> None:
    """Call `action` with a module: now if it is imported, else when it will be.

    Args:
        name: The module's full name.
        action: What to do with it. What it raises is logged.
    """
    _finder.actions.setdefault(name, []).append(action)
    if name in sys.modules:
        _finder.act(importlib.import_module(name))  # waits for an import that is under way
    elif _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
