"""Which global names a piece of compiled code touches."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

# A class body, and from Python 3.12 on an annotation scope, looks names up by LOAD_NAME and kin.
_READS = frozenset(
    {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME", "DELETE_GLOBAL"}
)


@dataclass(frozen=True, slots=True)
class GlobalNames:
    """Names in the global namespace: those that code reads or deletes, and those it stores."""

    reads: frozenset[str]
    writes: frozenset[str]

    def __or__(self, other: GlobalNames) -> GlobalNames:
        return GlobalNames(self.reads | other.reads, self.writes | other.writes)


def global_names(code: CodeType) -> GlobalNames:
    """The global names of a module's or function's code and of all code nested in it."""
    return own_global_names(code) | nested_global_names(code)


def own_global_names(code: CodeType) -> GlobalNames:
    """The global names of the code itself, without the functions and classes in it."""
    reads: set[str] = set()
    writes: set[str] = set()
    of_class: set[str] = set()
    is_class_body = {"__module__", "__qualname__"} <= set(code.co_names)
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS and instruction.argval not in of_class:
            reads.add(instruction.argval)
        elif instruction.opname == "STORE_NAME":
            (of_class if is_class_body else writes).add(instruction.argval)
        elif instruction.opname == "STORE_GLOBAL":
            writes.add(instruction.argval)
    return GlobalNames(frozenset(reads), frozenset(writes))


def nested_global_names(code: CodeType) -> GlobalNames:
    """The global names of the functions, classes and comprehensions inside the code."""
    names = GlobalNames(frozenset(), frozenset())
    for nested in _nested_codes(code):
        names |= global_names(nested)
    return names


def _nested_codes(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))
