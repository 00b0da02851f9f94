"""Pickles values for a process that may have their functions and classes already.

What is of ``__main__`` goes by value. A class that is there already would get the traveller's
methods, with globals of their own; and a function's globals would be nobody else's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from caikit_nb.execution.pickler import Pickler, by_value


class ValuePickler(Pickler):
    """Leaves the classes alone that the reader has.

    Args:
        file: Where to write.
        buffer_callback: Takes the large buffers; None to have them in the pickle.
        main_globals: Whether functions of ``__main__`` find their globals in the reader's
            ``__main__``. Else they carry a copy.
        reduced: Says of an object how it is pickled, before all others; NotImplemented for as it
            is. None if nobody does.
    """

    def __init__(
        self,
        file: Any,
        *,
        buffer_callback: Callable[[Any], object] | None = None,
        main_globals: bool = False,
        reduced: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._reduced = reduced
        self._main = sys.modules["__main__"].__dict__ if main_globals else None

    def reducer_override(self, obj: Any) -> Any:
        """See `Pickler.reducer_override`."""
        reduced = NotImplemented if self._reduced is None else self._reduced(obj)
        return super().reducer_override(obj) if reduced is NotImplemented else reduced

    def reduce_function(self, function: FunctionType, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Pickler.reduce_function`."""
        reduced = super().reduce_function(function, reduced)
        if function.__globals__ is not self._main:
            return reduced
        make, arguments, *rest = reduced
        return _make_in_main, (make, arguments), *rest

    def reduce_class(self, kind: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Pickler.reduce_class`."""
        make, arguments, state, elements, items, set_state = super().reduce_class(kind, reduced)
        return make, arguments, (set_state, state), elements, items, _set_class_state


def _make_in_main(make: Callable[..., FunctionType], arguments: tuple[Any, ...]) -> FunctionType:
    """The function with the globals of this process's ``__main__``; its state is set later."""
    made = make(*arguments)
    globals_here = sys.modules["__main__"].__dict__
    return FunctionType(
        made.__code__, globals_here, made.__name__, made.__defaults__, made.__closure__
    )


def _set_class_state(kind: type, told: tuple[Callable[[type, object], object], object]) -> None:
    set_state, state = told
    if kind not in by_value:
        set_state(kind, state)
        by_value.add(kind)


def name_classes_in_main() -> None:
    """Let plain pickle find the classes that have come here by value, where it looks: by name."""
    main = sys.modules["__main__"].__dict__
    for kind in by_value:
        if kind.__module__ == "__main__" and "." not in kind.__qualname__:
            main.setdefault(kind.__name__, kind)
