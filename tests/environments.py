"""Environments with packages that can't share the one of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).parent / "constraints"


def make_environment(home: Path, name: str) -> Path:
    """Make one with what ``constraints/NAME.in`` asks for; returns its interpreter.

    The versions are those that ``make lock`` wrote. Skips the test if they can't be installed.
    """
    venv.create(home, clear=True)
    python = home / "bin" / "python"
    asked, locked = CONSTRAINTS / f"{name}.in", CONSTRAINTS / f"{name}.txt"
    # By our own pip, and compiled is only what is imported: half of the time goes with the two.
    run_or_skip(
        *(Path(sys.executable), "pip", "--python", str(python), "install", "-qq", "--no-compile"),
        *("-r", str(asked), "-c", str(locked)),
        why=f"the environment {name!r} can't be installed",
    )
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
