"""Messages from a child to its parent."""

from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.execution.messages import HEADER, MAX_FRAME_BYTES, Decoder, encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
messages = st.dictionaries(st.text(), json_values).map(lambda d: {"kind": "x", **d})


def decoded(data: bytes) -> list[dict[str, object]]:
    return list(Decoder().feed(data))


@given(messages)
def test_a_message_comes_back_as_it_was(message: dict[str, object]) -> None:
    assert decoded(encode(message)) == [message]


@given(st.lists(messages, max_size=5), st.data())
def test_any_split_of_the_stream_gives_the_same_messages(
    sent: list[dict[str, object]], data: st.DataObject
) -> None:
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += list(decoder.feed(stream[start:end]))
    assert received == sent


def test_bytes_one_by_one_give_the_message() -> None:
    decoder = Decoder()
    stream = encode({"kind": "a", "text": "ä" * 100})
    received = [m for at in range(len(stream)) for m in decoder.feed(stream[at : at + 1])]
    assert received == [{"kind": "a", "text": "ä" * 100}]


def test_bytes_inside_become_base64_text() -> None:
    assert decoded(encode({"png": b"\x00\xff"})) == [{"png": "AP8="}]


def test_numpy_scalars_become_numbers() -> None:
    message = {"n": numpy.int64(3), "x": numpy.float32(0.5), "yes": numpy.bool_(True)}
    assert decoded(encode(message)) == [{"n": 3, "x": 0.5, "yes": True}]


def test_unknown_objects_become_their_repr() -> None:
    assert decoded(encode({"what": {1}, "when": 1j})) == [{"what": "{1}", "when": "1j"}]


def test_an_array_of_several_elements_becomes_its_repr() -> None:
    assert decoded(encode({"a": numpy.array([1, 2])})) == [{"a": "array([1, 2])"}]


def test_not_a_number_and_infinity_cross() -> None:
    (message,) = decoded(encode({"a": math.nan, "b": -math.inf}))
    assert math.isnan(message["a"])  # type: ignore[arg-type]
    assert message["b"] == -math.inf


def test_lone_surrogates_cross() -> None:
    assert decoded(encode({"name": "caf\udce9"})) == [{"name": "caf\udce9"}]


def test_an_oversized_message_is_refused() -> None:
    with pytest.raises(ValueError, match="over"):
        encode({"text": "x" * MAX_FRAME_BYTES})


def test_an_announced_length_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="announced"):
        decoded(HEADER.pack(MAX_FRAME_BYTES + 1))


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError):
        decoded(HEADER.pack(3) + b"abc")


class _BadItem:
    def item(self) -> object:
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")


class _BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("value", [_BadItem(), _BadRepr()])
def test_an_object_whose_own_code_fails_does_not_stop_its_message(value: object) -> None:
    (message,) = decoded(encode({"kind": "x", "value": value}))
    assert type(value).__name__ in str(message["value"])
