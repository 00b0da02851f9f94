"""Where a job saves: names are checked before they become paths, and paths are put together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.execution.short_repr import short_repr

_LONGEST_NAME = 255  # bytes: what Linux file systems take


@dataclass(frozen=True, slots=True)
class SavePlace:
    """Where a job saves.

    Attributes:
        path: The whole path (contracts J10).
        id_directory: The absolute directory of the job's own that lies on the way there; None if
            the path has none.
    """

    path: str
    id_directory: str | None = None


def check_id(job_id: object) -> str:
    """The id, if it can be a directory's name.

    Raises:
        ValueError: it can't.
    """
    return _check_part("a job's id", job_id, "run-1")


def check_name(name: object) -> str:
    """The name, if it can be a directory's name.

    Raises:
        ValueError: it can't.
    """
    return _check_part("a job's name", name, "train")


def check_save_path(save_path: Any) -> str | None:
    """The path to save to as text; None for None.

    Raises:
        ValueError: it is empty, no path of this machine, or on S3 (contracts J11).
    """
    if save_path is None:
        return None
    if type(save_path).__name__ == "S3Path" or str(save_path).lower().startswith("s3://"):
        raise ValueError("S3 output path not supported by this runtime")
    if not isinstance(save_path, str | os.PathLike) or isinstance(os.fspath(save_path), bytes):
        raise ValueError(f"save_path must be a path such as models/run, not {_shown(save_path)}")
    path = os.fspath(save_path)
    if not path or "\0" in path or not _is_encodable(path):
        raise ValueError(f"save_path must be a path such as models/run, not {_shown(path)}")
    return path


def plan_save(
    save_path: Any,
    job_id: str,
    *,
    save_with_id: bool = False,
    model_name: str | None = None,
    extra_path_args: Iterable[str] | None = None,
) -> SavePlace | None:
    """Put together where a job saves (contracts J10); makes nothing.

    Args:
        save_path: Where results go; None for nowhere.
        job_id: The job's id.
        save_with_id: Put the id below `save_path`, unless it is one of its components.
        model_name: Comes next, unless the path ends with it. It may have several components.
        extra_path_args: Come last; each may have several components.

    Returns:
        The place, None without a `save_path`.

    Raises:
        ValueError: a part that is no path of this machine, or would lead out of `save_path`.
    """
    check_id(job_id)
    names = [] if model_name is None else [_check_below("model_name", model_name)]
    extra = [_check_below("extra_path_args", part) for part in extra_path_args or ()]
    path, id_directory = check_save_path(save_path), None
    if path is None:
        return None
    if save_with_id and job_id not in Path(path).parts:
        path = str(os.path.join(path, job_id))  # noqa: PTH118 - as written, not normalised
        id_directory = str(Path(path).absolute())
    for name in names:
        parts = tuple(name.split("/"))
        if Path(path).parts[-len(parts) :] != parts:
            path = str(os.path.join(path, name))  # noqa: PTH118
    return SavePlace(str(os.path.join(path, *extra)), id_directory)  # noqa: PTH118


def _check_below(what: str, text: object) -> str:
    """A relative path without detours."""
    if not isinstance(text, str):
        raise ValueError(f"{what} must be text such as model or a/b, not {_shown(text)}")
    for part in text.split("/"):
        _check_part(what, part, "model or a/b", whole=text)
    return text


def _check_part(what: str, text: object, example: str, whole: object = None) -> str:
    good = isinstance(text, str) and text not in ("", ".", "..")
    if not good or "/" in str(text) or "\0" in str(text) or not _fits(str(text)):
        raise ValueError(
            f"{what} must be a plain name of at most {_LONGEST_NAME} bytes such as {example}, "
            f"without '/' around it, '.' or '..', not {_shown(text if whole is None else whole)}"
        )
    return str(text)


def _fits(text: str) -> bool:
    return _is_encodable(text) and len(os.fsencode(text)) <= _LONGEST_NAME


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    return short_repr(value)
