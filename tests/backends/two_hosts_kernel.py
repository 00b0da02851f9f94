"""The program that is the kernel of `test_dask_two_hosts`: submits a job and tells how it goes.

Its arguments: the scheduler, where the job writes its pid, how many steps of 0.1 s it takes, and
where the story is written.
"""

from __future__ import annotations

import json
import os
import sys
import time

import caikit_nb
from caikit_nb.backends.dask_backend import DaskBackend


def talk(count: int, started: str) -> int:
    """Print ten times a second."""
    with open(started, "a") as file:
        file.write(f"{os.getpid()}\n")
    for step in range(count):
        print(step, flush=True)
        time.sleep(0.1)
    return count


def main(address: str, started: str, count: str, story: str) -> None:
    executor = caikit_nb.JobExecutor(backend=DaskBackend({"address": address}))
    future = executor.submit(talk, int(count), started)
    remarks = []
    while not future.wait(0.1):
        remark = future._job.attempt.remark
        if remark and remark not in remarks:
            remarks.append(remark)
        if future.logs():
            print("runs", flush=True)
    error = future.exception()
    told = {
        "status": future.status.name,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "log": future.logs(),
        "remarks": remarks,
    }
    with open(story, "w") as file:
        json.dump(told, file)
    executor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
