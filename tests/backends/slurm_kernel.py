"""The program that is the kernel of `test_dask_slurm`: a SLURMCluster, and a job on it."""

from __future__ import annotations

import os
import sys

from dask_jobqueue import SLURMCluster

import caikit_nb
from caikit_nb.backends.dask_backend import DaskBackend


def where() -> dict[str, str | None]:
    """In which Slurm job it runs."""
    print("on slurm", flush=True)
    return {"job": os.environ.get("SLURM_JOB_ID")}


def main(address: str) -> None:
    with SLURMCluster(
        cores=1,
        processes=1,
        memory="500MB",
        scheduler_options={"host": address, "dashboard_address": f"{address}:0"},
        job_script_prologue=[f"export PYTHONPATH={os.environ['PYTHONPATH']}"],
    ) as cluster:
        executor = caikit_nb.JobExecutor(backend=DaskBackend({"cluster": cluster}))
        future = executor.submit(where)  # before there is any worker
        cluster.scale(jobs=1)
        print(future.result(120)["job"], future.logs().strip())
        executor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
