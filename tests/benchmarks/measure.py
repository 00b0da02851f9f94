"""Measures a row: each contender in a live kernel of its own, in turn, over several rounds.

The contenders take turns in short blocks, so that what else the machine does meets all of them.
"""

import importlib.util
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.row import Contender, Measured, Row
from tests.notebook.kernel import Kernel

SET_UP_S = 300.0
BLOCK_S = 600.0
WARM_UP_ANSWERS = 20
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What a user's Python writes to a pipe or a file it writes in blocks.
ORDINARY = {"PYTHONUNBUFFERED": "", "PYTHONDONTWRITEBYTECODE": ""}


@contextmanager
def started_kernel() -> Iterator[Kernel]:
    """A fresh kernel with files of its own, as a user's is once it has displayed something."""
    with tempfile.TemporaryDirectory() as home, Kernel(Path(home), ORDINARY) as kernel:
        kernel.do("import numpy, ipywidgets", timeout=SET_UP_S)
        yield kernel


def measure(row: Row, rounds: int) -> dict[str, Measured]:
    """What each contender of a row needs, by name."""
    measured = {contender.name: Measured() for contender in row.contenders}
    for contender in row.contenders:
        module = contender.requires
        if module is not None and importlib.util.find_spec(module) is None:
            measured[contender.name].failure = f"{module} is not installed"
    with ExitStack() as kernels:
        ready: dict[str, Kernel] = {}
        for _ in range(rounds):
            for contender in row.contenders:
                result = measured[contender.name]
                if not result.failure:
                    try:
                        result.blocks.append(_turn(row, contender, ready, kernels))
                    except AssertionError as error:
                        result.failure = _last_line(str(error))
    return measured


def _turn(
    row: Row, contender: Contender, ready: dict[str, Kernel], kernels: ExitStack
) -> list[float]:
    if row.apart:
        with started_kernel() as kernel:
            _open(row, contender, kernel)
            block = _block(row, kernel)
            kernel.do("opened.close()", timeout=SET_UP_S)
            return block
    if contender.name not in ready:
        kernel = ready[contender.name] = kernels.enter_context(started_kernel())
        _open(row, contender, kernel)
    return _block(row, ready[contender.name])


def _open(row: Row, contender: Contender, kernel: Kernel) -> None:
    warm_up = 0 if row.apart or row.outside else min(row.calls, 3)
    code = (
        "from tests.benchmarks.opened import Opened\n"
        f"opened = Opened({contender.function!r}, {warm_up})"
    )
    kernel.do(code, timeout=SET_UP_S)


def _block(row: Row, kernel: Kernel) -> list[float]:
    if row.outside:
        for _ in range(WARM_UP_ANSWERS):
            _answer_time(kernel)
        block = [_answer_time(kernel) for _ in range(row.calls)]
        kernel.read_what_is_there()
        return block
    # A cell, as the kernel's main thread is where a user's code runs.
    kernel.do(f"block = opened.block({row.calls})", timeout=BLOCK_S)
    return list(kernel.value("block"))


def _answer_time(kernel: Kernel) -> float:
    start = time.perf_counter()
    kernel.value("1")
    return time.perf_counter() - start


def _last_line(text: str) -> str:
    lines = [line for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it failed"
