"""Kinds of backends by name (contracts B8, B9, B11), and those that packages bring."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import caikit_nb.backends
from caikit_nb.backends import BackendBase, InlineBackend, LocalBackend, backend_types
from caikit_nb.backends.backend_types import (
    backend_class,
    module_backend_classes,
    module_backend_types,
    register_backend_type,
)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten, and packages are looked at anew."""
    monkeypatch.setattr(backend_types, "_classes", dict(backend_types._classes))
    monkeypatch.setattr(backend_types, "_loaded", False)


def kind(name: object = "MINE") -> Any:
    return type("Mine", (LocalBackend,), {"backend_type": name})


def test_a_registered_name_is_an_attribute_and_its_own_value() -> None:
    register_backend_type(kind())
    assert backend_types.MINE == "MINE"
    assert module_backend_types()["MINE"] == module_backend_types().MINE == "MINE"


def test_a_registered_class_is_found_by_its_name() -> None:
    mine = kind()
    register_backend_type(mine)
    assert module_backend_classes()["MINE"] is mine


def test_ours_are_registered_at_import() -> None:
    assert module_backend_classes()["LOCAL"] is LocalBackend
    assert module_backend_classes()["INLINE"] is InlineBackend


def test_the_package_exports_what_the_seed_does() -> None:
    assert {"backend_types", "BackendBase", "LocalBackend"} <= set(caikit_nb.backends.__all__)
    for name in caikit_nb.backends.__all__:
        assert hasattr(caikit_nb.backends, name)


@pytest.mark.parametrize("name", ["NONE_SUCH", "none_such"])
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="use one of dask, inline, local"):
        getattr(backend_types, name)
    with pytest.raises(ValueError, match="use one of dask, inline, local"):
        getattr(module_backend_types(), name)


def test_an_attribute_in_lower_case_is_refused() -> None:
    with pytest.raises(ValueError, match="LOCAL"):
        backend_types.local


def test_what_python_itself_looks_for_is_just_not_there() -> None:
    assert not hasattr(backend_types, "__path__")


@pytest.mark.parametrize("name", ["local", "LOCAL", "Local"])
def test_a_class_is_found_in_any_case(name: str) -> None:
    assert backend_class(name) is LocalBackend


@pytest.mark.parametrize("name", ["", None, 3, "none_such"])
def test_what_is_no_name_finds_no_class(name: object) -> None:
    with pytest.raises(ValueError, match="is not a backend: use one of dask, inline, local"):
        backend_class(name)


@pytest.mark.parametrize("wrong", [int, object(), LocalBackend()])
def test_only_backends_are_registered(wrong: object) -> None:
    with pytest.raises(TypeError, match="BackendBase"):
        register_backend_type(wrong)


@pytest.mark.parametrize("name", [None, 3, property(lambda self: "MINE")])
def test_a_type_must_be_a_string(name: object) -> None:
    with pytest.raises(TypeError, match="backend_type must be a string"):
        register_backend_type(kind(name))


@pytest.mark.parametrize("name", ["mine", "Mine", "", "123"])
def test_a_type_must_be_upper_case(name: str) -> None:
    with pytest.raises(ValueError, match="must be upper case"):
        register_backend_type(kind(name))


def test_registering_a_class_again_changes_nothing() -> None:
    mine = kind()
    register_backend_type(mine)
    register_backend_type(mine)
    assert module_backend_classes()["MINE"] is mine


def test_another_class_of_a_taken_name_is_refused_and_both_are_named() -> None:
    mine, other = kind(), kind()
    other.__qualname__ = "Other"
    register_backend_type(mine)
    with pytest.raises(ValueError, match=r"\.Other is taken by .*\.Mine"):
        register_backend_type(other)
    assert module_backend_classes()["MINE"] is mine


def test_what_is_listed_is_a_copy() -> None:
    module_backend_types().clear()
    module_backend_classes().clear()
    assert backend_types.LOCAL == "LOCAL"


Install = Callable[[str, str, str], None]

SOURCE = """
from caikit_nb.backends import LocalBackend, backend_types

class Remote(LocalBackend):
    backend_type = "REMOTE"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a package with an entry point on the path, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(package: str, source: str, entry_point: str) -> None:
        (tmp_path / f"{package}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[caikit_nb.backends]\n{entry_point}\n")

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_an_installed_backend_is_found_by_its_name(install: Install) -> None:
    install("nb_remote", SOURCE, "remote = nb_remote:Remote")
    assert backend_class("remote").__module__ == "nb_remote"
    assert backend_types.REMOTE == "REMOTE"


def test_an_installed_backend_is_listed(install: Install) -> None:
    install("nb_remote", SOURCE, "remote = nb_remote:Remote")
    assert {"INLINE", "LOCAL", "REMOTE"} <= set(module_backend_types())


def test_a_known_name_imports_no_package(install: Install) -> None:
    install("nb_remote", SOURCE, "remote = nb_remote:Remote")
    assert backend_types.LOCAL == "LOCAL"
    assert "nb_remote" not in sys.modules


def test_a_package_may_register_its_backend_itself(install: Install) -> None:
    source = SOURCE + "\nbackend_types.register_backend_type(Remote)\n"
    install("nb_remote", source, "remote = nb_remote:Remote")
    assert backend_types.REMOTE == "REMOTE"


def test_a_package_may_ask_for_names_while_it_is_imported(install: Install) -> None:
    source = SOURCE + "\nNAMES = backend_types.module_backend_types()\n"
    install("nb_remote", source, "remote = nb_remote:Remote")
    assert backend_types.REMOTE == "REMOTE"


@pytest.mark.parametrize(
    ("source", "entry_point"),
    [
        ("import no_such_module_anywhere", "broken = nb_broken:Broken"),
        ("raise RuntimeError('broken')", "broken = nb_broken:Broken"),
        ("", "broken = nb_broken:Broken"),
        ("Broken = 3", "broken = nb_broken:Broken"),
        (
            "from caikit_nb.backends import LocalBackend\n"
            "class Broken(LocalBackend): backend_type = 'INLINE'",
            "broken = nb_broken:Broken",
        ),
    ],
    ids=["imports what isn't there", "raises", "has no such class", "is no class", "takes a name"],
)
def test_a_broken_package_is_logged_and_skipped(
    install: Install, caplog: pytest.LogCaptureFixture, source: str, entry_point: str
) -> None:
    install("nb_broken", source, entry_point)
    install("nb_remote", SOURCE, "remote = nb_remote:Remote")
    assert backend_types.REMOTE == "REMOTE"
    assert module_backend_classes()["INLINE"] is InlineBackend
    (record,) = (r for r in caplog.records if r.name == "caikit_nb.backends.backend_types")
    assert record.levelno == logging.WARNING
    assert "nb_broken:Broken" in record.getMessage()


def test_packages_are_looked_at_once(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("nb_broken", "raise RuntimeError", "broken = nb_broken:Broken")
    for _ in range(2):
        with pytest.raises(ValueError, match="is not a backend"):
            backend_types.NONE_SUCH
    assert len(caplog.records) == 1


def test_a_registered_class_is_a_backend() -> None:
    assert all(issubclass(found, BackendBase) for found in module_backend_classes().values())


def test_who_looks_every_module_through_for_a_name_is_not_stopped() -> None:
    assert getattr(backend_types, "arctan", None) is None
    assert not hasattr(backend_types, "arctan")
