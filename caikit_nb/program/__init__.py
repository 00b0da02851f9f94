"""The program ``caikit-nb``: each command lives in its room, and is imported when it is asked for.

So a command needs no more than its own extra.
"""

from __future__ import annotations

import importlib
import io
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the program.

    Attributes:
        module: Where its ``app`` is.
        extra: What its packages are installed by.
        help: What it does, in a line.
    """

    module: str
    extra: str
    help: str


COMMANDS = {
    "experiments": Command(
        "caikit_nb.experiments.command_line", "experiments", "Hyperparameters in, results out."
    ),
    "serve": Command("caikit_nb.program.serve", "serving", "Serve models over gRPC."),
}


def main() -> None:
    """Run it; what is missing is named with its extra."""
    for stream in (sys.stdout, sys.stderr):
        # Half a character, as of a cut emoji, can't be written. What stands for it then is what
        # stands for it in JSON.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        print(_usage())
        return
    command = COMMANDS.get(name)
    if command is None:
        known = ", ".join(COMMANDS)
        print(f"caikit-nb: no command {name!r}; the commands are {known}", file=sys.stderr)
        sys.exit(2)
    try:
        importlib.import_module(command.module).app(prog_name="caikit-nb")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("caikit_nb"):
            raise
        sys.exit(f'caikit-nb {name} needs {error.name}: pip install "caikit_nb[{command.extra}]"')


def _usage() -> str:
    lines = ["Usage: caikit-nb COMMAND [ARGS]...", "", "Commands:"]
    lines += [f"  {name.ljust(12)} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join([*lines, "", "caikit-nb COMMAND --help says more."])
