"""The Python inside a cell's magics and shell escapes, written out where they stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import MagicAlias

from caikit_nb.execution.global_names import global_names
from caikit_nb.notebook.straight_line import compile_statements, names_read_first, parse_cell
from caikit_nb.notebook.text_names import (
    identifiers,
    names_evaluated,
    names_expanded,
    names_mentioned,
)

# Line options that take a value, for magics whose line goes on with Python.
_OPTIONS_WITH_VALUE = {"time": "", "timeit": "nrpv", "prun": "DlsT", "debug": "b"}
# Magics of IPython whose line is about variables.
_ABOUT_NAMES = frozenset(
    {"pinfo", "pinfo2", "pdef", "pdoc", "pfile", "psource", "page", "store", "xdel"}
)
_PLAIN_WORD = re.compile(r"(?<!\S)[^\W\d]\w*(?!\S)")
_OUTPUT_OPTION = re.compile(r"--(?:out|err)[ =]+(\w+)")
_BUILT_IN = ("IPython.", "ipykernel.", "matplotlib_inline.")


@dataclass(frozen=True, slots=True)
class UnfoldedCell:
    """A cell as plain Python.

    Attributes:
        tree: The cell, with what its magics read and run in their place.
        mentions: Names that occur only in text whose use isn't known.
        magics: The magics called, as ``%name`` and ``%%name``.
    """

    tree: ast.Module
    mentions: frozenset[str]
    magics: frozenset[str]


def unfold_magics(
    source: str, transform: Callable[[str], str], shell: InteractiveShell | None
) -> UnfoldedCell:
    """Write out the magics of a cell that has been transformed to Python.

    Args:
        source: The transformed cell.
        transform: Transforms a cell inside a magic.
        shell: Tells IPython's own magics from others; None if there is none.

    Raises:
        SyntaxError: The cell isn't valid. Faulty code inside a magic is left to the magic.
    """
    tree = parse_cell(source)
    compile_statements(tree.body)
    unfolding = _Unfolding(transform, shell)
    unfolding.visit(tree)
    return UnfoldedCell(tree, frozenset(unfolding.mentions), frozenset(unfolding.magics))


class _Unfolding(ast.NodeTransformer):
    def __init__(self, transform: Callable[[str], str], shell: InteractiveShell | None) -> None:
        self.mentions: set[str] = set()
        self.magics: set[str] = set()
        self._depth = 0
        self._transform = transform
        self._shell = shell

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | list[ast.stmt]:
        call = _magic_call(node.value)
        if call is None:
            return self.generic_visit(node)  # type: ignore[return-value]
        return self._run(*call) or ast.Pass()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._visit_scope(node)

    def _visit_scope(self, node: ast.AST) -> ast.AST:
        self._depth += 1
        try:
            return self.generic_visit(node)
        finally:
            self._depth -= 1

    def visit_Call(self, node: ast.Call) -> ast.expr:
        call = _magic_call(node)
        if call is not None:
            return _as_expression(self._run(*call))
        self.generic_visit(node)
        self.mentions |= names_mentioned(node)
        evaluated = names_evaluated(node)
        return _reading(evaluated, node) if evaluated else node

    def _run(self, method: str, arguments: Sequence[str]) -> list[ast.stmt]:
        """The statements that stand for a magic or shell escape."""
        match method, arguments:
            case ("run_line_magic", [name, line, *_]):
                self.magics.add(f"%{name}")
                return self._run_line(self._unaliased(name, "line"), line)
            case ("run_cell_magic", [name, line, body, *_]):
                self.magics.add(f"%%{name}")
                return self._run_cell(self._unaliased(name, "cell"), line, body)
            case _:
                return [ast.Expr(_reading(names_expanded(arguments[0])))]

    def _run_line(self, name: str, line: str) -> list[ast.stmt]:
        if name in _OPTIONS_WITH_VALUE:
            return self._code(_without_options(name, line), is_local=name == "timeit")
        if name in _ABOUT_NAMES or not self._is_built_in(name, "line"):
            self.mentions |= identifiers(line)
        return [ast.Expr(_reading(names_expanded(line)))]

    def _run_cell(self, name: str, line: str, body: str) -> list[ast.stmt]:
        if name in _OPTIONS_WITH_VALUE:
            code = f"{_without_options(name, line)}\n{body}"
            return self._code(code, is_local=name == "timeit")
        if name in ("capture", "caikit_job"):
            self.mentions |= identifiers(line) if name == "caikit_job" else set()
            return [*self._code(body), *_stores(_PLAIN_WORD if name == "capture" else None, line)]
        if not self._is_built_in(name, "cell"):
            self.mentions |= identifiers(line) | self._names_in_unknown(body)
        return [ast.Expr(_reading(names_expanded(line))), *_stores(_OUTPUT_OPTION, line)]

    def _code(self, source: str, is_local: bool = False) -> list[ast.stmt]:
        """Python inside a magic. What isn't valid there is taken as mere text."""
        try:
            statements = parse_cell(self._transform(source)).body
            statements = [_function(statements)] if is_local and statements else statements
            names = global_names(compile_statements(statements)).reads
        except SyntaxError:
            self.mentions |= identifiers(source)
            return []
        if self._depth and names:
            # What is valid in a cell may not be so in a function: only the names are put there.
            return [ast.Expr(_reading(names))]
        module = ast.Module(statements, type_ignores=[])
        self.visit(module)
        return module.body

    def _names_in_unknown(self, body: str) -> frozenset[str]:
        """If the body is valid Python, the names it reads, else all its words."""
        module = ast.Module(self._code(body), type_ignores=[])
        return names_read_first(module).reads

    def _unaliased(self, name: str, kind: str) -> str:
        magic = self._shell.find_magic(name, kind) if self._shell else None
        return str(magic.magic_name) if isinstance(magic, MagicAlias) else name

    def _is_built_in(self, name: str, kind: str) -> bool:
        magic = self._shell.find_magic(name, kind) if self._shell else None
        return str(getattr(magic, "__module__", "")).startswith(_BUILT_IN)


def _magic_call(node: ast.expr) -> tuple[str, list[str]] | None:
    """The method and the texts of a call such as ``get_ipython().system("ls")``."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(func=ast.Name(id="get_ipython")),
                attr="run_line_magic" | "run_cell_magic" | "system" | "getoutput" as method,
            ),
            args=[_, *_] as arguments,
        ):
            texts = [a.value for a in arguments if isinstance(a, ast.Constant)]
            if len(texts) == len(arguments) and all(isinstance(text, str) for text in texts):
                return method, [str(text) for text in texts]
    return None


def _without_options(name: str, line: str) -> str:
    with_value = _OPTIONS_WITH_VALUE[name]
    option = rf"-[{with_value}]\s*\S+\s+|" if with_value else ""
    match = re.match(rf"\s*(?:{option}-[A-Za-z]+\s+|--[\w-]+\s+)*", line + "\n")
    return line[match.end() :] if match else line


def _stores(pattern: re.Pattern[str] | None, line: str) -> list[ast.stmt]:
    """Assignments to the variables that an option names."""
    names = pattern.findall(line) if pattern else []
    return [
        ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None))
        for name in names
        if name.isidentifier()
    ]


def _function(body: list[ast.stmt]) -> ast.stmt:
    """A function around statements that don't store into the namespace."""
    template = vars(parse_cell("def function(): pass").body[0])
    return ast.FunctionDef(**{**template, "name": "<timed>", "body": body})


def _reading(names: Iterable[str], *values: ast.expr) -> ast.expr:
    """An expression that reads the names after the values."""
    loads: list[ast.expr] = [ast.Name(name, ast.Load()) for name in sorted(names)]
    return ast.Tuple([*values, *loads], ast.Load())


def _as_expression(statements: list[ast.stmt]) -> ast.expr:
    match statements:
        case [ast.Expr(value=value)]:
            return value
        case []:
            return ast.Constant(None)
    return _reading(global_names(compile_statements(statements)).reads)
