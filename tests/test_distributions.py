"""What `make wheel` makes, installed where there is no Node.js."""

import os
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, **environment: str) -> str:
    """Run a command; the test fails with all that it printed if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The distributions by their ending; the wheel is made from the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ".")
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {".whl": wheel, ".tar.gz": sdist}


@pytest.fixture(params=[".whl", ".tar.gz"])
def bare_environment(
    built: dict[str, Path], request: pytest.FixtureRequest, tmp_path: Path
) -> Path:
    """The programs of an environment with JupyterLab and the distribution, and nothing on PATH."""
    venv.create(tmp_path, with_pip=True)
    programs = tmp_path / "bin"
    run(programs / "python", "-m", "pip", "install", "-q", "jupyterlab>=4.2", PATH=str(programs))
    run(programs / "python", "-m", "pip", "install", "-q", built[request.param], PATH=str(programs))
    return programs


def test_extensions_are_enabled_where_there_is_no_node(bare_environment: Path) -> None:
    path = {"PATH": str(bare_environment), "JUPYTER_PREFER_ENV_PATH": "1"}
    listed = run(bare_environment / "jupyter", "labextension", "list", **path)
    (line,) = [line for line in listed.splitlines() if "caikit-nb" in line]
    assert "enabled" in line
    assert "OK" in line
    servers = run(bare_environment / "jupyter", "server", "extension", "list", **path)
    assert re.search(r"caikit_nb\.server \S*enabled", servers)
    assert re.search(r"caikit_nb\.server +\S*OK", servers)


def test_source_distribution_is_whole(built: dict[str, Path]) -> None:
    with tarfile.open(built[".tar.gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"caikit_nb/labextension/package.json", "labextension/package-lock.json"} <= names
    assert not [name for name in names if "node_modules" in name or name.endswith(".map")]


def test_nothing_built_names_a_path_of_the_builder() -> None:
    built = (ROOT / "caikit_nb" / "labextension").rglob("*")
    texts = {path.name: path.read_text("utf-8") for path in built if path.is_file()}
    assert texts
    assert not [name for name, text in texts.items() if str(ROOT) in text]
