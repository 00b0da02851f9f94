"""What the quality checks share: running a tool with the interpreter that runs the tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# No colours: a failure's output is read in logs.
PLAIN = {"NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    """The repository's top folder."""
    return pytestconfig.rootpath


@pytest.fixture
def files(root: Path) -> list[Path]:
    """Every file that git tracks or would add."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (root / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file()]


@pytest.fixture
def run_python(root: Path) -> Callable[..., str]:
    """Run this interpreter in the repository; fail with all that it printed if it fails."""

    def run(*arguments: str) -> str:
        environment = {**os.environ, **PLAIN}
        environment.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)  # of a test in its own process
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{' '.join(arguments)}\n{done.stdout}", pytrace=False)
        return done.stdout

    return run
