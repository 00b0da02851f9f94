"""Whose fault an error in a model is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

# What a model's own code calls: an error in there says nothing about who is to blame.
_TRANSPARENT = frozenset({"numpy", "scipy", "pandas", "joblib"})
_PACKAGES = ("site-packages", "dist-packages")


def is_clients_fault(error: ValueError) -> bool:
    """Whether a library refused the values, as scikit-learn does with NaN and unknown categories.

    A ValueError that the model's own code raises, or that comes of what it does with its arrays,
    is its own fault: who can't see the code could do nothing about it.
    """
    inside = ""
    for module in _modules(error.__traceback__):
        root = module.partition(".")[0]
        if root not in _TRANSPARENT and root not in sys.stdlib_module_names:
            inside = root
    return inside == "caikit_nb" or _is_library(inside)


def _modules(traceback: TracebackType | None) -> list[str]:
    found = []
    while traceback is not None:
        found.append(str(traceback.tb_frame.f_globals.get("__name__", "")))
        traceback = traceback.tb_next
    return found


def _is_library(root: str) -> bool:
    if root in ("", "__main__"):
        return False
    file = getattr(sys.modules.get(root), "__file__", None)
    return file is not None and any(part in _PACKAGES for part in Path(file).parts)
