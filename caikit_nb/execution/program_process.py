"""A job's process made by another's process, such as a cluster's worker.

There multiprocessing may be forbidden, as it is in daemonic processes, and the call isn't ours to
unpickle. In all else it is like `DestroyableProcess`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from multiprocessing.process import BaseProcess
from typing import Any

from caikit_nb.execution import job_program, parcel
from caikit_nb.execution.call import SealedCall, run_for_effect
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.process_body import ProcessBody
from caikit_nb.execution.process_reader import ProcessListener
from caikit_nb.execution.transfer import open_memory_file

_IN_PARCEL = SealedCall(run_for_effect, b"", ())  # stands for the call, which stays packed here


class _ProgramPopen:
    """What multiprocessing polls and closes: here a process of `subprocess`."""

    method = "program"

    def __init__(self, process: Any) -> None:
        start = process._args[0]
        told = job_program.order(
            process.parcel,
            parcel.plain(start.end),
            start.surroundings.mark,
            start.surroundings.memory_limit_bytes,
        )
        fd = open_memory_file()
        try:
            os.write(fd, pickle.dumps(told))
            os.lseek(fd, 0, os.SEEK_SET)
            self._process = subprocess.Popen(
                [sys.executable, "-P", job_program.__file__, str(fd)],
                pass_fds=[fd, *start.end.fds()],
                stdin=subprocess.DEVNULL,
            )
        finally:
            os.close(fd)
        process._channel.prepare()
        process.results = os.dup(process._channel.results)
        self._lock = threading.Lock()
        self.pid = self._process.pid

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        with self._lock:
            return self._process.poll()

    def close(self) -> None:
        """Nothing is left to be closed."""


class _Undaemonic(BaseProcess):
    """Starts as any process of multiprocessing does, also where the starter is daemonic."""

    def start(self) -> None:
        """Start it."""
        made: Any = self
        made._popen = _ProgramPopen(self)
        del made._target, made._args, made._kwargs


class ProgramProcess(ProcessBody, _Undaemonic):
    """A process that runs a parcel.

    Args:
        packed: The call, as `parcel.pack` has packed it.
        inputs: The memory file with the call's inputs, which it takes over.
        listener: Hears of it.
        memory_limit_bytes: How much memory of its own it may have; None for as much as it likes.

    Attributes:
        results: The memory file for what it gives back; whoever reads it closes it. -1 before
            the start.
    """

    start_method = "program"

    def __init__(
        self,
        packed: bytes,
        inputs: int,
        listener: ProcessListener,
        memory_limit_bytes: int | None,
    ) -> None:
        self.parcel, self.results = packed, -1
        super().__init__(
            None,
            threading.Event(),
            None,
            None,
            0.0,
            False,
            call=_IN_PARCEL,
            inputs=inputs,
            capture=True,
            listener=listener,
            surroundings=Surroundings(memory_limit_bytes=memory_limit_bytes),
            daemon=True,
        )

    def close_results(self) -> None:
        """Give the results up."""
        results, self.results = self.results, -1
        if results >= 0:
            os.close(results)
