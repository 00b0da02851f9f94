"""Which global names a piece of compiled code touches."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

# A class body, and from Python 3.12 on an annotation scope, looks names up by LOAD_NAME and kin.
_READS = frozenset(
    {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME", "DELETE_GLOBAL"}
)
_WRITES = frozenset({"STORE_NAME", "STORE_GLOBAL"})


class GlobalNames(NamedTuple):
    """Names that code reads (or deletes) and names that it stores, in the global namespace."""

    reads: frozenset[str]
    writes: frozenset[str]


def global_names(code: CodeType) -> GlobalNames:
    """The global names of a module's or function's code, with the code nested in it.

    What a class body stores is the class's own, so it isn't among the writes.
    """
    reads, writes = _own_names(code)
    for nested in nested_codes(code):
        inner = global_names(nested)
        reads |= inner.reads
        writes |= inner.writes
    return GlobalNames(frozenset(reads), frozenset(writes))


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """The functions, classes and comprehensions directly inside `code`."""
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _own_names(code: CodeType) -> tuple[set[str], set[str]]:
    reads, writes = set(), set()
    is_class_body = "__qualname__" in code.co_names and "__module__" in code.co_names
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS:
            reads.add(instruction.argval)
        elif instruction.opname == "STORE_GLOBAL" or (
            instruction.opname in _WRITES and not is_class_body
        ):
            writes.add(instruction.argval)
    return reads, writes
