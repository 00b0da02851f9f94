"""A Ray cluster of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).with_name("ray")


@contextlib.contextmanager
def ray_cluster(*arguments: str, **variables: str) -> Iterator[str]:
    """A running cluster of one node, with these arguments and variables; gives its address."""
    port = free_port()
    own = {
        "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled",
    }  # fmt: skip
    head = subprocess.Popen(
        [
            RAY, "start", "--head", "--block", "--port", str(port),
            "--node-ip-address", "127.0.0.1", "--num-cpus", "16",
            "--include-dashboard", "false", *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **own, **variables},
        start_new_session=True,
    )  # fmt: skip
    try:
        assert head.stdout is not None
        for line in head.stdout:
            if b"Ray runtime started" in line:
                break
        else:
            raise AssertionError("Ray did not start")
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()  # it ends what it has started
        head.communicate(timeout=180)
