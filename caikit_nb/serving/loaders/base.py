"""The interface of loaders."""

from __future__ import annotations

import abc
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from caikit_nb.errors import ModelRefusedError


class Loader(abc.ABC):
    """Reads one format. A package adds its own by an entry point of ``caikit_nb.loaders``.

    Attributes:
        names: What a ``modelType`` may say for it, the format's own name first; in lower case.
        suffixes: The endings of its files.
        needs_trust: Reading a file runs code that is in it.
        is_killable: What it loads can be pickled, so that it is read in a process of its own,
            which is ended when the load is cancelled. Else the load runs to its end, and what
            it gives is dropped.
        modules: What its models need in the server; imported before the first is measured.
    """

    names: ClassVar[tuple[str, ...]]
    suffixes: ClassVar[tuple[str, ...]] = ()
    needs_trust: ClassVar[bool] = True
    is_killable: ClassVar[bool] = True
    modules: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def load(self, path: Path) -> Any:
        """Read a model: an object that `caikit_nb.serving.model_kinds.as_model` takes.

        Args:
            path: Its file.

        Raises:
            ModelRefusedError: it won't be read as things are.
            Exception: whatever is wrong with the file.
        """


def imported(name: str, package: str) -> ModuleType:
    """A module that only some formats need.

    Raises:
        ModelRefusedError: it isn't there; names what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ModelRefusedError(f"this format needs {package}: pip install {package}") from None
