"""Arrays that are mapped from a file, given to a process that has the same files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from caikit_nb.execution import mapped_arrays
from caikit_nb.execution.transfer import Store, Writer, open_memory_file

VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda m: m,
    "rows": lambda m: m[1:],
    "column": lambda m: m[:, 1],
    "backwards": lambda m: m[::-1, ::-2],
    "transposed": lambda m: m.T,
    "plain": numpy.asarray,
    "plain part": lambda m: m.view(numpy.ndarray)[2:],
    "other type": lambda m: m[2, 1:3].view("i8"),
    "one item": lambda m: m[1, 1:2],
}


@pytest.fixture
def mapped(tmp_path: Path) -> Any:
    array = numpy.memmap(tmp_path / "m.dat", "f8", "w+", 8, (4, 5))
    array[:] = numpy.arange(20).reshape(4, 5)
    return array


def sent(value: Any, *, same_files: bool = True) -> Any:
    reduced = mapped_arrays.reduced if same_files else None
    writer = Writer(fd := open_memory_file(), shared=True, reduced=reduced)
    entry = writer.add("value", value)
    return Store(fd).load(entry)


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_written_there_is_written_here(mapped: Any, view: str) -> None:
    array = VIEWS[view](mapped)
    there = sent(array)
    assert type(there) is type(array)
    assert there.strides == array.strides
    numpy.testing.assert_array_equal(there, array)
    there[...] = 77
    assert (numpy.asarray(array) == 77).all()


@pytest.mark.parametrize("view", VIEWS)
def test_elsewhere_it_is_a_copy(mapped: Any, view: str) -> None:
    array = VIEWS[view](mapped)
    there = sent(array, same_files=False)
    numpy.testing.assert_array_equal(there, array)
    there[...] = 77
    assert not (numpy.asarray(array) == 77).any()


def test_only_its_place_is_sent(mapped: Any) -> None:
    large = numpy.memmap(mapped.filename, "u1", "r+", shape=(100_000_000,))
    entry = Writer(open_memory_file(), reduced=mapped_arrays.reduced).add("large", {"frame": large})
    assert entry.size_bytes < 10_000


def test_it_can_be_flushed_and_knows_its_file(mapped: Any) -> None:
    there = sent(mapped[2:])
    there[:] = 5
    there.flush()
    assert (there.filename, there.offset) == (str(mapped.filename), 8 + 2 * 5 * 8)
    assert numpy.fromfile(mapped.filename, "f8", offset=8)[10:].tolist() == [5] * 10


def test_a_read_only_one_stays_so(mapped: Any) -> None:
    there = sent(numpy.memmap(mapped.filename, "f8", "r", 8, (4, 5)))
    assert (there.mode, there.flags.writeable) == ("r", False)
    assert not sent(_locked(mapped[1:])).flags.writeable
    assert mapped.flags.writeable


def _locked(array: Any) -> Any:
    array.flags.writeable = False
    return array


def test_a_frame_over_a_map_is_one_there(mapped: Any) -> None:
    there = sent(pandas.DataFrame(mapped, copy=False))
    assert there.to_numpy().tolist() == mapped.tolist()


def test_a_private_map_goes_with_its_changes(mapped: Any) -> None:
    private = numpy.memmap(mapped.filename, "f8", "c", 8, (4, 5))
    private[0, 0] = 100
    assert sent(private)[0, 0] == 100


def test_what_was_computed_of_one_is_an_array_like_any(mapped: Any) -> None:
    there = sent(mapped + 1)
    numpy.testing.assert_array_equal(there, numpy.asarray(mapped) + 1)


def test_one_whose_file_is_gone_goes_as_a_copy(mapped: Any) -> None:
    Path(mapped.filename).unlink()
    numpy.testing.assert_array_equal(sent(mapped), mapped)


def test_an_empty_part(mapped: Any) -> None:
    assert sent(mapped[4:]).shape == (0, 5)


def test_what_two_values_share_stays_shared(mapped: Any) -> None:
    first, second = sent([mapped, mapped])
    assert first is second
