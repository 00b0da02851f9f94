"""Jobs on Slurm, through Dask."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.dask_cluster import ROOT
from tests.backends.slurm import slurm
from tests.backends.two_hosts import two_hosts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_a_job_runs_in_a_job_of_slurm(tmp_path: Path) -> None:
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("NO DASK-JOBQUEUE: make test-cluster installs it")
    with two_hosts() as cable, slurm(tmp_path, cable.near) as environment:
        told = subprocess.run(
            [
                *cable.near.enter, sys.executable, "-m", "tests.backends.slurm_kernel",
                cable.near.address,
            ],
            env={
                **environment,
                "PYTHONPATH": str(ROOT),
                "CAIKIT_NB_DIR": str(tmp_path / "sessions"),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )  # fmt: skip
    assert told.stdout.split() == ["1", "on", "slurm"], told.stderr
