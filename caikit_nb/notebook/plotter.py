"""The kernel's side of the process that draws plots."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from caikit_nb.notebook.experiment_plots import Trials

logger = logging.getLogger(__name__)

_MODULE = "caikit_nb.notebook.plot_process"
_HOME = str(Path(__file__).parents[2])


class Plotter:
    """Draws plots one after another, in a process that begins with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._pid, self._turn = os.getpid(), threading.Lock()
        self._last: tuple[Trials, Sequence[str]] | None = None

    @property
    def why_none(self) -> str:
        """What is missing for plots; empty if nothing is."""
        if importlib.util.find_spec("matplotlib") is None:
            return 'plots need matplotlib: pip install "caikit_nb[experiments]"'
        return ""

    def draw(self, trials: Trials) -> Sequence[str]:
        """The plots as SVG; none if they can't be drawn, which is logged."""
        if len(trials.points) < 2 or self.why_none or os.getpid() != self._pid:
            return []
        with self._turn:
            if self._last is not None and self._last[0] == trials:
                return self._last[1]
            try:
                answer = self._ask(trials)
            except (OSError, ValueError) as error:
                self._end()
                answer = {"plots": [], "error": f"its process has ended: {error}"}
            if "error" in answer:
                logger.warning("an experiment's plots can't be drawn: %s", answer["error"])
            self._last = trials, answer["plots"]
            return self._last[1]

    def close(self) -> None:
        """End the process."""
        if os.getpid() == self._pid:
            self._end()

    def _ask(self, trials: Trials) -> dict[str, Any]:
        process = self._process or self._start()
        requests, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        requests.write(f"{json.dumps(trials.to_json())}\n")
        requests.flush()
        answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            # Safe from a random.py that lies beside the notebook.
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), _HOME])},
            encoding="utf-8",
            start_new_session=True,  # an interrupt of the kernel isn't meant for it
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                cast("IO[str]", stream).close()
