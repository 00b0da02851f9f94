"""Large results: mapped where they were written, not copied while they are read."""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.memory import private_bytes
from tests.lazy import Lazy
from tests.waiting import until

pd = Lazy("pandas")

MIB = 1 << 20
SIZES = [
    pytest.param(256 * MIB, id="256MiB"),
    pytest.param(1024 * MIB, id="1GiB", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]
COLUMNS = 8


def array_of(size: int) -> Any:
    return np.arange(size // 8, dtype=np.int64)


def frame_of(size: int) -> Any:
    rows = size // 8 // COLUMNS
    return pd.DataFrame(np.arange(rows * COLUMNS, dtype=np.float64).reshape(COLUMNS, rows).T)


def anonymous_bytes() -> int:
    """Memory of our own that no file stands behind: what a copy would be made of."""
    text = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(r"^Anonymous: +(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


class Peak:
    """The most memory that was seen while a block ran."""

    bytes = 0


@contextmanager
def growth() -> Iterator[Peak]:
    """How much the private memory grew at most; sampled by a thread, without a pause."""
    peak, before, over = Peak(), anonymous_bytes(), threading.Event()

    def sample() -> None:
        while not over.is_set():
            peak.bytes = max(peak.bytes, anonymous_bytes() - before)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()
        peak.bytes = max(peak.bytes, anonymous_bytes() - before)


@contextmanager
def little_growth(size: int) -> Iterator[None]:
    """What happens inside takes much less than a copy of `size`, at its peak and afterwards."""
    before = private_bytes(os.getpid())
    with growth() as peak:
        yield
    # What else this process does may take a few tens of megabytes.
    assert peak.bytes < size / 4
    assert private_bytes(os.getpid()) - before < size / 4


def run(make: Any, size: int) -> Any:
    process = DestroyableProcess("fork", make, args=(size,), return_result=True)
    process.start()
    process.join(120)
    return process


def test_the_measure_sees_a_copy() -> None:
    with growth() as peak:
        copy = np.ones(64 * MIB, dtype=np.uint8)
    assert copy.nbytes <= peak.bytes < 1.2 * copy.nbytes


@pytest.mark.parametrize("size", SIZES)
def test_an_array_is_read_without_a_copy_and_can_be_written(size: int) -> None:
    with little_growth(size):
        array = run(array_of, size).get_or_throw()
    assert (array.nbytes, array.dtype, array.shape) == (size, np.int64, (size // 8,))
    assert [array[0], array[12345], array[-1]] == [0, 12345, size // 8 - 1]
    with growth() as peak:
        assert array.sum() == (size // 8) * (size // 8 - 1) // 2
    assert peak.bytes < size / 20
    array[:3] = -1
    assert array[:4].tolist() == [-1, -1, -1, 3]


@pytest.mark.parametrize("size", SIZES)
def test_a_data_frame_is_read_without_a_copy_and_can_be_written(size: int) -> None:
    frame_of(size // 1000).sum()  # what pandas itself takes isn't measured
    with little_growth(size):
        frame = run(frame_of, size).get_or_throw()
    rows = size // 8 // COLUMNS
    assert frame.shape == (rows, COLUMNS)
    assert [frame.iloc[0, 0], frame.iloc[5, 2]] == [0.0, 2.0 * rows + 5]
    assert frame.iloc[-1, -1] == rows * COLUMNS - 1
    with growth() as peak:
        assert [frame[at].iloc[-1] for at in frame] == [(at + 1) * rows - 1 for at in frame]
        assert frame[3].sum() == 3.0 * rows * rows + rows * (rows - 1) / 2
    assert peak.bytes < size / 20
    frame.iloc[5, 2] = -1.0
    assert frame.iloc[4:7, 2].tolist() == [2.0 * rows + 4, -1.0, 2.0 * rows + 6]


def test_a_large_result_is_freed_with_its_last_reader() -> None:
    size = 256 * MIB
    gc.collect()  # other tests' tables, which may be parts of cycles
    before, mapped = private_bytes(os.getpid()), _mapped_bytes()
    process = run(array_of, size)
    part = process.get_or_throw()[:3]
    del process
    assert part.tolist() == [0, 1, 2]
    assert _mapped_bytes() >= mapped + size
    del part
    # The thread that has told of the end may hold it a moment longer.
    until(lambda: _mapped_bytes() <= mapped, "the end of the map")
    assert private_bytes(os.getpid()) - before < size / 20


def _mapped_bytes() -> int:
    """How much of the results' files is mapped here."""
    spans = re.findall(r"^(\w+)-(\w+) .*caikit_nb", Path("/proc/self/maps").read_text(), re.M)
    return sum(int(end, 16) - int(start, 16) for start, end in spans)
