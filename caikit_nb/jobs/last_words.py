"""How a job's end is told in few words."""

from __future__ import annotations

import re

from caikit_nb.execution.exception_pickler import PackedError, text_of

_LAST_LINES = 10
_CRASH_FRAMES = 3
_HEADLINE_CHARACTERS = 500
# What Python's report on a crash consists of.
_OF_REPORT = re.compile(
    r"\s*$|  |Current thread\b|Thread 0x|Extension modules: |Python runtime state: "
)


def last_words(log: str) -> str:
    """The last lines of a log; of Python's report on a crash only the beginning."""
    before, crash, report = log.rpartition("Fatal Python error: ")
    if not crash:
        return "\n".join(log.rstrip().splitlines()[-_LAST_LINES:])
    kind, *lines = report.splitlines() or [""]
    frames = [line for line in lines if line.startswith("  File ")]
    # Of what was printed the last may be read after the report, which comes by another pipe.
    later = [line for line in lines if not _OF_REPORT.match(line)]
    said = [*before.rstrip().splitlines(), *later][-_LAST_LINES:]
    return "\n".join([*said, crash + kind, *frames[:_CRASH_FRAMES]])


def headline(error: PackedError | BaseException) -> str:
    """An error in one line."""
    if isinstance(error, PackedError):
        return error.headline[:_HEADLINE_CHARACTERS]
    lines = text_of(error).splitlines()
    kind = type(error).__name__
    return f"{kind}: {lines[0]}"[:_HEADLINE_CHARACTERS] if lines else kind
