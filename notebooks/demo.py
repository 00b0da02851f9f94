"""Executes a notebook and shows in the terminal, live, what its background jobs print and do.

    python notebooks/demo.py [NOTEBOOK]

The kernel is a real one. The jobs are followed through the files that every session keeps of
them, which is how anyone can watch a kernel that is busy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from caikit_nb.jobs import journal

HERE = Path(__file__).resolve().parent
COLOURS = (36, 35, 33, 32, 34)
ENDS = {"COMPLETED": "✓", "ERRORED": "✗", "CANCELED": "⊘", "PRUNED": "✂"}
PROGRESS_EVERY_S = 2.0


class Terminal:
    """Lines that stay, and on a real terminal one line at the bottom that is drawn anew."""

    def __init__(self) -> None:
        self.is_real = sys.stdout.isatty()
        self._bottom = ""
        self._lock = threading.Lock()

    def line(self, text: str, colour: int | None = None) -> None:
        """Print a line that stays."""
        if colour is not None and self.is_real:
            text = f"\x1b[{colour}m{text}\x1b[0m"
        with self._lock:
            if self._bottom:
                sys.stdout.write("\r\x1b[K")
            sys.stdout.write(text + "\n")
            sys.stdout.write(self._bottom)
            sys.stdout.flush()

    def bottom(self, text: str) -> None:
        """Draw the bottom line anew."""
        if self.is_real:
            width = shutil.get_terminal_size().columns - 1
            with self._lock:
                self._bottom = text[:width]
                sys.stdout.write("\r\x1b[K" + self._bottom)
                sys.stdout.flush()


class Follower:
    """Shows what has happened in a directory of sessions since it last looked."""

    def __init__(self, sessions: Path, terminal: Terminal) -> None:
        self._sessions, self._terminal = sessions, terminal
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}
        self._states: dict[str, str] = {}
        self._said = 0.0

    def look(self) -> None:
        """Show the news."""
        jobs = journal.read_all(self._sessions)
        for number, job in enumerate(jobs):
            colour = COLOURS[number % len(COLOURS)]
            self._show_log(job, colour)
            self._show_state(job, colour)
        running = [job for job in jobs if job["status"] == "RUNNING"]
        bars = "   ".join(progress(job) for job in running)
        self._terminal.bottom(bars)
        if bars and not self._terminal.is_real and time.monotonic() - self._said > PROGRESS_EVERY_S:
            self._said = time.monotonic()
            self._terminal.line(f"          {bars}")

    def _show_state(self, job: dict[str, Any], colour: int) -> None:
        status = job["status"]
        if self._states.get(job["id"]) == status:
            return
        self._states[job["id"]] = status
        if status == "RUNNING":
            self._terminal.line(f"{job['name']:>10} ● started ({job['start_method']})", colour)
        elif status in ENDS:
            reason = f": {job['reason']}" if job["reason"] else ""
            text = f"{ENDS[status]} {status.lower()} after {job['elapsed_s']:.1f} s{reason}"
            self._terminal.line(f"{job['name']:>10} {text}", colour)

    def _show_log(self, job: dict[str, Any], colour: int) -> None:
        key, path = job["id"], Path(job["directory"]) / "output.log"
        try:
            with path.open("rb") as file:
                file.seek(self._read.get(key, 0))
                data = file.read()
        except OSError:
            return
        self._read[key] = self._read.get(key, 0) + len(data)
        *lines, self._rest[key] = (self._rest.get(key, b"") + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
            self._terminal.line(f"{job['name']:>10} | {text}", colour)


def progress(job: dict[str, Any]) -> str:
    """A running job in a few characters."""
    bar = next((bar for bar in job["bars"] if not bar["closed"] and bar["total"]), None)
    if bar is None:
        return f"{job['name']} {job['elapsed_s']:.0f} s"
    done = min(1.0, bar["n"] / bar["total"])
    filled = round(16 * done)
    drawn = "█" * filled + "░" * (16 - filled)
    return f"{job['name']} {drawn} {bar['n']:g}/{bar['total']:g}"


def execute(notebook: Any, sessions: Path, terminal: Terminal) -> None:
    """Run the notebook's cells, following the jobs meanwhile."""
    follower, over = Follower(sessions, terminal), threading.Event()

    def announce(cell: Any, cell_index: int) -> None:
        first = next(iter(cell.source.splitlines()), "")
        if cell.cell_type == "code":
            terminal.line(f"── {first}")

    def follow() -> None:
        while not over.wait(0.25):
            follower.look()

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        on_cell_execute=announce,
        on_notebook_complete=lambda notebook: follower.look(),
        resources={"metadata": {"path": str(HERE)}},
        # A notice about plain TCP, which on the loopback device is no news.
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    thread = threading.Thread(target=follow)
    thread.start()
    try:
        client.execute(env={**os.environ, "CAIKIT_NB_DIR": str(sessions)})
    finally:
        over.set()
        thread.join()
        terminal.bottom("")


def last_table(notebook: Any) -> str:
    """The text of the last output of the last cell that has one: the table of the jobs."""
    for cell in reversed(notebook.cells):
        for output in reversed(cell.get("outputs", [])):
            if "data" in output:
                return str(output["data"].get("text/plain", ""))
    return ""


def main() -> int:
    """Execute, report, and say where the executed notebook is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebook", nargs="?", type=Path, default=HERE / "01_first_job.ipynb")
    source = parser.parse_args().notebook
    notebook = nbformat.read(source, as_version=4)
    target = HERE / "executed" / source.name
    target.parent.mkdir(exist_ok=True)
    terminal, failed = Terminal(), None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="caikit_nb-demo-") as sessions:
        try:
            execute(notebook, Path(sessions), terminal)
        except CellExecutionError as error:
            failed = error
    nbformat.write(notebook, target)
    if failed is not None:
        terminal.line(f"\na cell failed:\n{failed}")
        return 1
    terminal.line(f"\n{last_table(notebook)}\n")
    terminal.line(f"executed in {time.monotonic() - began:.0f} s: {os.path.relpath(target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
