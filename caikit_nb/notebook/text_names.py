"""Names of variables inside text: shell lines, magics' lines, queries and formulas."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from IPython.utils.text import DollarFormatter

from caikit_nb.execution.global_names import global_names

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_QUERY_VARIABLE = re.compile(r"@([^\W\d]\w*)")  # pandas: df.query("age > @limit")
_SQL_TABLE = re.compile(r"\b(?:from|join)\s+([^\W\d]\w*)", re.IGNORECASE)  # DuckDB: data frames
_FORMULA_CALL = re.compile(r"([^\W\d]\w*)\s*[.(]")  # patsy: "y ~ np.log(x)"


def identifiers(text: str) -> frozenset[str]:
    """All words that could be names."""
    return frozenset(_IDENTIFIER.findall(text))


def names_expanded(line: str) -> frozenset[str]:
    """Names that IPython reads to expand ``{expression}`` and ``$name`` in a line."""
    try:
        fields = [
            f"{field}:{rest}" if rest else field
            for _, field, rest, _ in DollarFormatter().parse(line)
            if field is not None
        ]
        return frozenset().union(*(_names_in_expression(field) for field in fields))
    except (SyntaxError, ValueError):
        return frozenset()  # one faulty field, and IPython leaves the whole line as it is


def names_evaluated(call: ast.Call) -> frozenset[str]:
    """Names that a call reads through its constant text: eval, exec, and pandas' query."""
    function, texts = _function_name(call), list(_texts(call))
    if function in ("eval", "exec") and isinstance(call.func, ast.Name):
        return frozenset().union(*(_names_in_code(text) for text in texts[:1]))
    if function in ("eval", "query"):
        return frozenset(name for text in texts for name in _QUERY_VARIABLE.findall(text))
    return frozenset()


def names_mentioned(call: ast.Call) -> frozenset[str]:
    """Names that a call may read through its text: tables in SQL, functions in a formula."""
    names: set[str] = set()
    for text in _texts(call):
        if _function_name(call) in ("sql", "query", "execute"):
            names.update(_SQL_TABLE.findall(text))
        if "~" in text:
            names.update(_FORMULA_CALL.findall(text))
    return frozenset(names)


def _function_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _texts(call: ast.Call) -> Iterator[str]:
    """The constant texts among a call's arguments, also those in an f-string."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _names_in_expression(text: str) -> frozenset[str]:
    return global_names(compile(text.strip(), "<field>", "eval", dont_inherit=True)).reads


def _names_in_code(text: str) -> frozenset[str]:
    try:
        return global_names(compile(text, "<text>", "exec", dont_inherit=True)).reads
    except (SyntaxError, ValueError):
        return frozenset()
