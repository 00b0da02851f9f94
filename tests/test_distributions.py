"""What `make wheel` makes, installed where there is no Node.js."""

import os
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

import caikit_nb
from tests.environments import find_python, make_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[1]
PIP_INSTALL = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
# As in a notebook, but for the kernel: what is installed must do with what it asks for.
IN_IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_cell("%load_ext caikit_nb").raise_error()
cell = "%%caikit_job adds -m fork -o total --wait\\ntotal = sum(range(10))\\ntotal + 1"
shell.run_cell(cell).raise_error()
shell.run_cell("print(total, adds.result(), caikit_nb.__version__)").raise_error()
"""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command; the test fails with all that it printed if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
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
    assert f" v{caikit_nb.__version__} " in line
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


def test_the_index_takes_the_distributions(built: dict[str, Path], tmp_path: Path) -> None:
    python = make_environment(tmp_path, "twine")
    run(python, "-m", "twine", "check", "--strict", *built.values())


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_wheel_works_in_an_empty_environment(
    built: dict[str, Path], tmp_path: Path, version: str
) -> None:
    run(find_python(version), "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv" / "bin"
    own = {"PYTHONPATH": "", "HOME": str(tmp_path), "PATH": f"{programs}{os.pathsep}{os.defpath}"}
    run(programs / "python", *PIP_INSTALL, built[".whl"], PYTHONPATH="")
    printed = run(programs / "python", "-c", IN_IPYTHON, cwd=tmp_path, **own)
    assert printed.splitlines()[-1] == f"45 46 {caikit_nb.__version__}"
    usage = run(programs / "caikit-nb", "--help", cwd=tmp_path, **own)
    assert usage.startswith("Usage: caikit-nb COMMAND")
