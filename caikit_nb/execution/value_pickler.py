"""Pickles values for a process that may have their functions and classes already.

What is of ``__main__`` goes by value. A class that is there already would get the traveller's
methods, with globals of their own; and a function's globals would be nobody else's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from caikit_nb.execution import mapped_arrays
from caikit_nb.execution.pickler import Pickler, by_value
from caikit_nb.execution.user_code import pickling_code_of


class RunsUserCodeError(Exception):
    """An object is pickled by code of the user's own, which wasn't run; its text names that."""


class ValuePickler(Pickler):
    """Leaves the classes alone that the reader has.

    Args:
        file: Where to write.
        buffer_callback: Takes the large buffers; None to have them in the pickle.
        main_globals: Whether functions of ``__main__`` find their globals in the reader's
            ``__main__``. Else they carry a copy.
        run_user_code: Whether an object's own `__getstate__` and its like may run, where they
            are the user's. Else such an object raises RunsUserCodeError.
        same_files: Whether the reader has our files, so that arrays that are mapped from one go
            as maps. Else they go as copies.
    """

    def __init__(
        self,
        file: Any,
        *,
        buffer_callback: Callable[[Any], object] | None = None,
        main_globals: bool = False,
        run_user_code: bool = True,
        same_files: bool = False,
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._main = sys.modules["__main__"].__dict__ if main_globals else None
        self._run_user_code, self._same_files = run_user_code, same_files

    def reducer_override(self, obj: Any) -> Any:
        """See `Pickler.reducer_override`."""
        if not self._run_user_code and (code := pickling_code_of(obj)):
            raise RunsUserCodeError(code)
        if self._same_files:
            reduced = mapped_arrays.reduced(obj)
            if reduced is not NotImplemented:
                return reduced
        return super().reducer_override(obj)

    def reduce_function(self, function: FunctionType, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Pickler.reduce_function`."""
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
