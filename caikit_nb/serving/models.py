"""What can be asked for a prediction, and what its tensors look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from caikit_nb.errors import InvalidRequestError
from caikit_nb.serving.tensor_spec import TensorSpec

Tensors = Mapping[str, Any]
"""NumPy arrays by name; text is an array of objects, each bytes."""


@runtime_checkable
class Model(Protocol):
    """A loaded model. It is called from several threads."""

    @property
    def platform(self) -> str:
        """What runs it."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What it takes."""

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What it gives; empty if that shows only when it is asked."""

    def predict(self, tensors: Tensors, wanted: Sequence[str]) -> Tensors:
        """The outputs of these names; the usual ones if none is named.

        Raises:
            InvalidRequestError: the tensors aren't those that the model takes.
            PredictionError: it gave what is no tensor.
        """


def check_names(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse names that a model doesn't have.

    Args:
        what: What is named, in a word.
        given: By the client.
        known: Those that there are.

    Raises:
        InvalidRequestError: one isn't known; names those that are.
    """
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidRequestError(f"there is no {what} {name!r}: the {what}s are {names}")


def as_text(values: Any) -> Any:
    """An array of bytes objects as one of text; another array as it is.

    Raises:
        InvalidRequestError: a text isn't UTF-8.
    """
    if values.dtype != object:
        return values
    try:
        decoded = [each.decode("utf-8") for each in values.flat]
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"a text is not UTF-8: {error.reason}") from None
    return np.array(decoded, object).reshape(values.shape)
