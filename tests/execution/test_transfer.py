"""Values through a memory file, each name on its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy
import pytest

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.transfer import Entry, Store, Writer, open_memory_file
from tests.lazy import Lazy

pandas = Lazy("pandas")


@pytest.fixture
def fd() -> Iterator[int]:
    number = open_memory_file()
    yield number
    os.close(number)


def store_of(fd: int) -> Store:
    return Store(os.dup(fd))


def round_trip(fd: int, value: object) -> object:
    entry = Writer(fd).add("value", value)
    return store_of(fd).load(entry)


@pytest.mark.parametrize("value", [None, 0, "", b"", "ä" * 70_000, {"a": [1, (2, 3)]}, bytearray()])
def test_a_plain_value_comes_back(fd: int, value: object) -> None:
    assert round_trip(fd, value) == value


def test_each_name_is_loaded_alone(fd: int) -> None:
    writer = Writer(fd)
    entries = [writer.add(str(number), number) for number in range(100)]
    store = store_of(fd)
    assert [store.load(entry) for entry in reversed(entries)] == list(range(99, -1, -1))


def test_an_unpicklable_value_loses_only_itself(fd: int) -> None:
    writer = Writer(fd)
    first, bad, last = writer.add("a", 1), writer.add("b", threading.Lock()), writer.add("c", 3)
    store = store_of(fd)
    assert (store.load(first), store.load(last)) == (1, 3)
    with pytest.raises(UnpicklableError, match="'b' can't be pickled"):
        store.load(bad)


def test_a_value_that_fails_halfway_leaves_no_bytes_behind(fd: int) -> None:
    writer = Writer(fd)
    writer.add("bad", [b"x" * 3_000_000, threading.Lock()])
    assert os.fstat(fd).st_size == 0


class _OnlyThere:
    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise ImportError("no module named 'there'")


def test_a_value_that_can_not_be_rebuilt_is_named(fd: int) -> None:
    entry = Writer(fd).add("model", _OnlyThere())
    with pytest.raises(UnpicklableError, match=r"'model' of type .*_OnlyThere can't be rebuilt"):
        store_of(fd).load(entry)


@pytest.mark.parametrize("size", [0, 1, 1000, 10_000_000])
def test_an_array_comes_back_writable(fd: int, size: int) -> None:
    array = numpy.arange(size, dtype=numpy.float64)
    copy = round_trip(fd, array)
    assert isinstance(copy, numpy.ndarray)
    numpy.testing.assert_array_equal(copy, array)
    assert copy.flags.writeable
    copy += 1


def test_a_large_array_is_mapped_and_not_copied(fd: int) -> None:
    entry = Writer(fd).add("a", numpy.zeros(1_000_000))
    os.pwrite(fd, b"\xff" * 8, entry.spans[1][0])
    copy = store_of(fd).load(entry)
    assert numpy.isnan(copy[0])
    assert not copy.flags.owndata


def test_writing_to_a_loaded_array_does_not_change_the_file(fd: int) -> None:
    entry = Writer(fd).add("a", numpy.zeros(1_000_000))
    store_of(fd).load(entry)[:] = 7
    assert store_of(fd).load(entry).sum() == 0


def test_arrays_are_aligned(fd: int) -> None:
    writer = Writer(fd)
    for name in "abc":
        entry = writer.add(name, [name, numpy.ones(3), numpy.ones(5)])
        assert [offset % 64 for offset, _ in entry.spans[1:]] == [0, 0]


def test_a_fortran_ordered_and_a_strided_array_come_back(fd: int) -> None:
    array = numpy.arange(12.0).reshape(3, 4)
    fortran, strided = round_trip(fd, (numpy.asfortranarray(array), array[:, ::2]))  # type: ignore[misc]
    numpy.testing.assert_array_equal(fortran, array)
    numpy.testing.assert_array_equal(strided, array[:, ::2])


def test_a_data_frame_comes_back_and_can_be_changed(fd: int) -> None:
    frame = pandas.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"], "day": pandas.NaT})
    copy = round_trip(fd, frame)
    pandas.testing.assert_frame_equal(copy, frame)
    copy.loc[0, "x"] = 9.0  # type: ignore[attr-defined]


def test_an_entry_survives_its_message(fd: int) -> None:
    entry = Writer(fd).add("a", numpy.ones(3))
    assert Entry.from_message(entry.to_message()) == entry


def test_a_value_outlives_its_store(fd: int) -> None:
    array = round_trip(fd, numpy.ones(1_000_000))
    assert array.sum() == 1_000_000  # type: ignore[attr-defined]
