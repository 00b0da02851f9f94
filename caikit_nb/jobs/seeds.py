"""What random numbers begin with in a job: never the same in two jobs, and the same in each run.

A fork copies the state of every generator, so two forked jobs would draw the same numbers. Each
job gets a seed of its own, derived from the kernel's generators and the job's ordinal: a notebook
that seeds itself gets the same jobs each time it is run. A ``Generator`` object in the namespace
is the user's own and is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import random
import sys
from array import array
from collections.abc import Iterable
from typing import Any

_SEEDS = 1 << 32  # NumPy's global generator takes no more


def seed_of(given: object, ordinal: int) -> int:
    """The seed that was given, or the one that follows from this process's generators.

    Raises:
        ValueError: what was given is no seed.
    """
    if given is None:
        return _derived(ordinal)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < _SEEDS:
        raise ValueError(f"a seed must be a whole number from 0 to 4294967295, not {given!r}")
    return given


def _derived(ordinal: int) -> int:
    _, words, left_over = random.getstate()
    state = hashlib.sha256(repr((ordinal, left_over)).encode() + array("Q", words).tobytes())
    numpy = _numpy_random()
    if numpy is not None:
        name, keys, *rest = numpy.get_state()
        state.update(keys.tobytes() + repr((name, rest)).encode())
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "random"):
        state.update(torch.random.get_rng_state().numpy().tobytes())
    return int.from_bytes(state.digest()[:4], "big")


def _numpy_random() -> Any:
    """NumPy's generators, if NumPy is loaded; it loads them itself only when they are used."""
    return importlib.import_module("numpy.random") if "numpy" in sys.modules else None


def loaded_libraries() -> tuple[str, ...]:
    """Of the libraries that load quickly, those with a global generator that are loaded here."""
    return tuple(name for name in ("numpy",) if name in sys.modules)


def seed_generators(seed: int, libraries: Iterable[str] = ()) -> None:
    """Seed ``random``, and NumPy and torch where they are loaded.

    Args:
        seed: From 0 to 2**32 - 1.
        libraries: Those that are to be loaded first.
    """
    random.seed(seed)
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    numpy = _numpy_random()
    if numpy is not None:
        numpy.seed(seed)
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)
