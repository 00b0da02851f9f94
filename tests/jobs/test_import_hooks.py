"""What is done with a module as soon as it is imported."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from caikit_nb.jobs.import_hooks import when_imported

NAME = "caikit_nb_test_of_hooks"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes a package that can be imported, with a module ``inner``."""
    package = tmp_path / NAME
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield (package / "inner.py").write_text
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


def import_inner() -> ModuleType:
    return importlib.import_module(f"{NAME}.inner")


def test_it_is_done_at_the_first_import(write: Callable[[str], None]) -> None:
    write("value = 1")
    heard: list[int] = []
    when_imported(f"{NAME}.inner", lambda module: heard.append(module.value))
    assert heard == []
    assert f"{NAME}.inner" not in sys.modules
    import_inner()
    import_inner()
    assert heard == [1]


def test_it_is_done_at_once_if_the_module_is_there(write: Callable[[str], None]) -> None:
    write("value = 2")
    import_inner()
    heard: list[int] = []
    when_imported(f"{NAME}.inner", lambda module: heard.append(module.value))
    assert heard == [2]


def test_the_module_is_as_without_us(write: Callable[[str], None]) -> None:
    write("value = 3")
    when_imported(f"{NAME}.inner", lambda _: None)
    inner = import_inner()
    assert inner.__spec__ is not None
    assert inner.__loader__ is inner.__spec__.loader
    assert type(inner.__loader__).__module__ == "_frozen_importlib_external"
    assert importlib.reload(inner) is inner


def test_a_failing_action_leaves_the_import_alone(
    write: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    write("value = 4")
    when_imported(f"{NAME}.inner", lambda module: module.nothing)
    with caplog.at_level(logging.ERROR):
        assert import_inner().value == 4
    assert f"what a job does with {NAME}.inner after its import failed" in caplog.text


def test_a_module_that_fails_can_be_imported_later(write: Callable[[str], None]) -> None:
    write("raise OSError('not yet')")
    heard: list[ModuleType] = []
    when_imported(f"{NAME}.inner", heard.append)
    with pytest.raises(OSError, match="not yet"):
        import_inner()
    write("value = 'a longer text than before'")
    importlib.invalidate_caches()
    assert heard == []
    assert [import_inner()] == heard


def test_a_module_that_does_not_exist_is_missing_as_ever(write: Callable[[str], None]) -> None:
    write("")
    when_imported(f"{NAME}.missing", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'caikit_nb_test_of_hooks.mis"):
        importlib.import_module(f"{NAME}.missing")
