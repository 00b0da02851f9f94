"""Slurm on one host, with its own key, sockets and ports."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.backends.two_hosts import Host
from tests.waiting import until

START_S = 180.0
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")

CONFIG = """
ClusterName=test
SlurmctldHost={name}({address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
NodeName=localhost NodeAddr={address} CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES State=UP MaxTime=INFINITE
"""


@contextlib.contextmanager
def slurm(home: Path, host: Host) -> Iterator[Mapping[str, str]]:
    """A running Slurm; gives the environment that its programs need."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"NO SLURM: {', '.join(missing)} not found; make test-cluster installs it")
    for name in ("state", "spool"):
        (home / name).mkdir()
    key = home / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    config = home / "slurm.conf"
    config.write_text(CONFIG.format(home=home, name=socket.gethostname(), address=host.address))
    environment = {**os.environ, "SLURM_CONF": str(config)}
    munged = [
        "munged", "--foreground", "--force", f"--key-file={key}",
        f"--socket={home}/munge.socket", f"--pid-file={home}/munge.pid",
        f"--log-file={home}/munge.log", f"--seed-file={home}/munge.seed",
    ]  # fmt: skip
    with contextlib.ExitStack() as undo:
        _start(undo, home, host, environment, munged)
        until(lambda: (home / "munge.socket").exists(), "munge", START_S)
        _start(undo, home, host, environment, ["slurmctld", "-D", "-f", str(config)])
        node = ["slurmd", "-D", "-N", "localhost", "-f", str(config)]
        _start(undo, home, host, environment, node)
        until(lambda: b"idle" in _told(host, environment, "sinfo"), "an idle node", START_S)
        yield environment
        _told(host, environment, "scancel", "--user", "root")


def _start(
    undo: contextlib.ExitStack,
    home: Path,
    host: Host,
    environment: Mapping[str, str],
    command: list[str],
) -> None:
    with (home / f"{command[0]}.out").open("wb") as log:
        process = subprocess.Popen([*host.enter, *command], env=environment, stdout=log, stderr=log)
    undo.callback(process.wait)
    undo.callback(process.terminate)


def _told(host: Host, environment: Mapping[str, str], *command: str) -> bytes:
    done = subprocess.run(
        [*host.enter, *command], env=environment, capture_output=True, check=False, timeout=START_S
    )
    return done.stdout
