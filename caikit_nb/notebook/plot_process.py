"""Draws plots in a process of its own: ``python -m caikit_nb.notebook.plot_process``.

Each line of its input is one request, each line of its output one answer; it ends with its input.
In the kernel matplotlib would obey and disturb the settings of the user's own figures, and hold
up the cell that runs.
"""

from __future__ import annotations

import json
import sys
from typing import IO

from caikit_nb.notebook.experiment_plots import Trials, draw_plots


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more."""
    import matplotlib

    matplotlib.rcdefaults()  # a user's own matplotlibrc may want LaTeX
    matplotlib.rc("svg", fonttype="none", hashsalt="caikit_nb")
    matplotlib.rc("text", parse_math=False)
    for line in requests:
        try:
            answer: dict[str, object] = {"plots": draw_plots(Trials.from_json(json.loads(line)))}
        except Exception as error:  # noqa: BLE001 - the next ones may be fine
            answer = {"plots": [], "error": f"{type(error).__name__}: {error}"}
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
