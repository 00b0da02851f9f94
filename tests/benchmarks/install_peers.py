"""Installs the peers, one after another: one that can't be had is left out, with one loud line.

What our servers need comes along each time, so that pip finds versions which suit both.

``python -m tests.benchmarks.install_peers`` in the environment that is to have them.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def main() -> None:
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    for peer in extras["bench"]:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        done = subprocess.run(
            [*command, peer, *extras["serving"]], check=False, capture_output=True, text=True
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"*** {peer} CAN'T BE INSTALLED AND IS LEFT OUT: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
