"""The JupyterLab extension: its versions are the package's. `make check` runs its own checks."""

import json
import re
from pathlib import Path

import pytest

import caikit_nb
from caikit_nb.notebook import lab_comm
from caikit_nb.server import routes
from tests.quality.test_repository import LONGEST_FILE


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "labextension"


def test_the_version_is_written_in_one_place(root, folder, files):
    """What is built for JupyterLab gets it from there; npm wants some number."""
    for name in ("package.json", "package-lock.json"):
        assert json.loads((folder / name).read_text("utf-8"))["version"] == "0.0.0"
    written = re.compile(rf'version[\W_]+{re.escape(caikit_nb.__version__)}["\']')
    texts = {path.relative_to(root): path.read_bytes().decode("utf-8", "replace") for path in files}
    found = [str(name) for name, text in texts.items() if written.search(text)]
    assert [name for name in found if name != "labextension/package-lock.json"] == [
        "caikit_nb/__init__.py"
    ]
    newest = re.findall(r"^## \[(.+?)\]", texts[Path("CHANGELOG.md")], re.MULTILINE)[0]
    assert newest in ("Unreleased", caikit_nb.__version__)


def test_both_sides_speak_one_protocol(folder):
    source = (folder / "src" / "protocol.ts").read_text("utf-8")
    assert f"export const TARGET = '{lab_comm.TARGET}';" in source
    assert f"export const VERSION = {lab_comm.VERSION};" in source
    assert (routes.PROTOCOL, routes.VERSION) == (lab_comm.TARGET, lab_comm.VERSION)


def test_lock_names_no_place_to_fetch_from(folder):
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_settings_have_help(folder):
    schema = json.loads((folder / "schema" / "plugin.json").read_text("utf-8"))
    properties = schema["properties"]
    assert properties
    assert not [name for name, it in properties.items() if not it["title"] or not it["description"]]


def test_no_file_is_too_long(folder):
    sources = [path for path in (folder / "src").rglob("*") if path.is_file()]
    assert sources
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in sources}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}
