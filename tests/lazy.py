"""Libraries that a test module names at its top and loads with its first test.

Collecting loads every module in every worker, and each fork of a test copies the tables of all
that memory: what is large waits until somebody needs it.
"""

from __future__ import annotations

import importlib
from typing import Any


class Lazy:
    """A module in its own place: ``optuna = Lazy("optuna")``; loaded when it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks at all that a test module holds
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
