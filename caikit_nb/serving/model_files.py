"""Where models lie: paths are checked before anything is opened, and sizes are those on disk."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from caikit_nb.errors import (
    InvalidRequestError,
    ModelMissingError,
    ModelRefusedError,
    ModelTooLargeError,
)
from caikit_nb.execution.short_repr import short_repr


def find_model(root: Path, given: str) -> Path:
    """The real path of a model below `root`.

    Args:
        root: Where models may lie.
        given: A path as a client names it: relative to the root, or absolute and below it.

    Raises:
        InvalidRequestError: it is empty, no path, or leads out of the root, also by a link.
        ModelMissingError: nothing is there.
        ModelRefusedError: it can't be looked at.
    """
    if not given or "\0" in given:
        raise InvalidRequestError(f"modelPath must be a path, not {short_repr(given)}")
    if ".." in Path(given).parts:
        raise InvalidRequestError(f"modelPath must go without '..': {short_repr(given)}")
    base = root.resolve()
    try:
        found = (base / given).resolve(strict=True)
    except FileNotFoundError:
        found = None
    except (OSError, RuntimeError, ValueError) as error:
        raise _refusal(given, error) from None
    if not (found or (base / given).resolve()).is_relative_to(base):
        raise InvalidRequestError(f"modelPath leads out of the model root: {short_repr(given)}")
    if found is None:
        raise ModelMissingError(f"there is no file at modelPath {short_repr(given)}")
    return found


def real_place(root: Path, given: str) -> Path:
    """Where a path leads, whether something is there or not; for comparing two of them."""
    try:
        return (root.resolve() / given).resolve()
    except (OSError, RuntimeError, ValueError):
        return Path(given)


def check_files(path: Path, most_bytes: int) -> int:
    """Look at every file of a model; returns their bytes.

    Args:
        path: Its file or folder, as `find_model` returns it.
        most_bytes: What it may have.

    Raises:
        InvalidRequestError: a link in it leads out of it.
        ModelRefusedError: a file can't be read, or is none.
        ModelTooLargeError: they are too large.
    """
    size_bytes = 0
    try:
        for file in _files(path):
            if not file.resolve(strict=True).is_relative_to(path):
                raise InvalidRequestError(f"a link leads out of the model: {file.name}")
            status = file.stat()
            if not stat.S_ISREG(status.st_mode) or not os.access(file, os.R_OK):
                raise ModelRefusedError(f"{file.name} of the model can't be read")
            size_bytes += status.st_size
            if size_bytes > most_bytes:
                raise ModelTooLargeError(f"the model has more than {most_bytes} bytes on disk")
    except OSError as error:
        raise _refusal(path.name, error) from None
    return size_bytes


def estimate_bytes(path: Path, within_s: float) -> int | None:
    """The bytes of a model on disk; None if that can't be told in time."""
    give_up, size_bytes = time.monotonic() + within_s, 0
    try:
        for file in _files(path):
            size_bytes += file.stat().st_size
            if time.monotonic() > give_up:
                return None
    except OSError:
        return None
    return size_bytes


def is_trusted(path: Path, trusted: Sequence[Path]) -> bool:
    """Whether a model lies in, or is, one of these files and folders."""
    return any(path.is_relative_to(place.resolve()) for place in trusted)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path, onerror=_raise):
        here = Path(folder)
        # Links to folders are not followed by the walk, and looked at as files would be.
        yield from (here / name for name in files)
        yield from (here / name for name in names if (here / name).is_symlink())


def _raise(error: OSError) -> None:
    raise error


def _refusal(given: str, error: Exception) -> ModelRefusedError:
    reason = getattr(error, "strerror", None) or str(error)
    return ModelRefusedError(f"{short_repr(given)} can't be read: {reason}")
