"""Environments with packages that can't share the one of the tests."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path

import pytest


def make_environment(home: Path, *packages: str) -> Path:
    """Make one; returns its interpreter. Skips the test if the packages can't be installed."""
    venv.create(home, with_pip=True, clear=True)
    python = home / "bin" / "python"
    run_or_skip(python, "pip", "install", "-qq", *packages, why=f"{packages[0]} can't be installed")
    return python


def run_or_skip(python: Path, *arguments: str, why: str) -> None:
    """Run a module with that interpreter; skips the test if it fails."""
    done = subprocess.run([python, "-m", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{why}: {done.stderr[-300:]}")


def find_python(version: str) -> str:
    """The interpreter of such a version, as 3.12; skips the test if none is on PATH that works."""
    name = f"python{version}"
    program = shutil.which(name)
    # What a manager of versions puts there may be an empty promise.
    if program is None or subprocess.run([program, "-V"], capture_output=True).returncode:
        pytest.skip(f"{name} isn't on PATH: install it to test the wheel there")
    return program
