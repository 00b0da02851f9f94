"""Where a job saves: how the path is put together, and what may not be part of it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.save_paths import SavePlace, check_id, check_name, check_save_path, plan_save

BASE = "/some/base"
WRONG_PARTS = ["", ".", "..", "a/b/../..", "/abs", "../../escaped", "nul\0", "x" * 256, "\ud800"]


class S3Path:
    """What caikit calls such a path."""


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({}, "/some/base"),
        ({"save_with_id": True}, "/some/base/run1"),
        ({"save_with_id": True, "model_name": "m"}, "/some/base/run1/m"),
        ({"model_name": "m"}, "/some/base/m"),
        ({"model_name": "base"}, "/some/base"),
        ({"model_name": "some/base"}, "/some/base"),
        ({"model_name": "a/b"}, "/some/base/a/b"),
        ({"extra_path_args": ["x", "y/z"]}, "/some/base/x/y/z"),
        (
            {"save_with_id": True, "model_name": "m", "extra_path_args": ("e",)},
            "/some/base/run1/m/e",
        ),
    ],
)
def test_the_parts_come_in_order(more: dict[str, Any], path: str) -> None:
    """J10."""
    place = plan_save(BASE, "run1", **more)
    assert place is not None
    assert place.path == path
    assert place.id_directory == ("/some/base/run1" if "save_with_id" in more else None)


def test_without_a_path_there_is_none() -> None:
    """J10."""
    assert plan_save(None, "run1", save_with_id=True, model_name="m") is None


def test_a_path_object_is_fine_and_a_relative_one_stays_as_written() -> None:
    assert plan_save(Path("models"), "r") == SavePlace("models")
    place = plan_save("models", "r", save_with_id=True)
    assert place == SavePlace("models/r", str(Path.cwd() / "models" / "r"))


@pytest.mark.parametrize(
    ("model_name", "base"), [("mode", "/x/models"), ("model", "/x/models"), ("m", "/m/x")]
)
def test_a_name_inside_another_name_is_not_that_name(model_name: str, base: str) -> None:
    """D12.3."""
    place = plan_save(base, "r", model_name=model_name)
    assert place == SavePlace(f"{base}/{model_name}")


def test_an_id_inside_another_id_is_not_that_id() -> None:
    """D12.3."""
    assert plan_save("/x/run1", "run1", save_with_id=True) == SavePlace("/x/run1")
    place = plan_save("/x/run1", "run", save_with_id=True)
    assert place == SavePlace("/x/run1/run", "/x/run1/run")


@pytest.mark.parametrize("path", [S3Path(), "s3://bucket/key", "S3://bucket"])
def test_s3_is_refused(path: Any) -> None:
    """J11."""
    with pytest.raises(ValueError, match="S3 output path not supported by this runtime"):
        plan_save(path, "run1")


@pytest.mark.parametrize("path", ["", "nul\0", 3, b"bytes", "\ud800", ["a"]])
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match="such as models/run"):
        check_save_path(path)


@pytest.mark.parametrize("part", [*WRONG_PARTS, 3, None])
def test_a_wrong_id_is_refused(part: Any) -> None:
    """D12.2."""
    with pytest.raises(ValueError, match="such as run-1") as caught:
        check_id(part)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="such as train"):
        check_name(part)


@pytest.mark.parametrize("part", WRONG_PARTS)
@pytest.mark.parametrize("base", [BASE, None])
def test_a_wrong_part_is_refused(part: str, base: str | None) -> None:
    """D12.2, also where nothing is saved."""
    with pytest.raises(ValueError, match="model_name must be a plain name"):
        plan_save(base, "run1", model_name=part)
    with pytest.raises(ValueError, match="extra_path_args must be a plain name"):
        plan_save(base, "run1", extra_path_args=["fine", part])


parts = st.one_of(
    st.sampled_from(["..", ".", "", "a", "/", "a/..", "../b", "~", "\\", "C:", "a:b", "…"]),
    st.text(max_size=8),
)


@given(parts, parts, st.lists(parts, max_size=3), st.booleans())
def test_no_name_leads_out_of_the_path(
    job_id: str, model_name: str, extra: list[str], save_with_id: bool
) -> None:
    """D12.2."""
    try:
        place = plan_save(
            BASE, job_id, save_with_id=save_with_id, model_name=model_name, extra_path_args=extra
        )
    except ValueError:
        return
    assert place is not None
    assert os.path.normpath(place.path) == place.path
    assert PurePosixPath(place.path).is_relative_to(BASE)
    if place.id_directory is not None:
        assert PurePosixPath(place.id_directory).parent == PurePosixPath(BASE)
