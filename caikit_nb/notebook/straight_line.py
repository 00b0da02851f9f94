"""Names that code reads before it has certainly stored them.

Statements are followed in order. What is stored on every way through them counts as stored. In
doubt, such as after a loop that may not run at all, a name counts as not stored.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType

from caikit_nb.execution.global_names import (
    GlobalNames,
    global_names,
    nested_global_names,
    own_global_names,
)

Names = frozenset[str]


def names_read_first(tree: ast.Module) -> GlobalNames:
    """The names that a module reads before it has certainly stored them, and all it stores.

    Raises:
        SyntaxError: The tree can't be compiled.
    """
    writes = global_names(compile_statements(tree.body)).writes
    reader = _Reader()
    reader.block(tree.body, frozenset())
    return GlobalNames(frozenset(reader.reads), writes)


def parse_cell(source: str) -> ast.Module:
    """Parse a cell that has been transformed to Python.

    Raises:
        SyntaxError: as the compiler does.
    """
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.Module = compile(source, "<cell>", "exec", flags=flags, dont_inherit=True)
    return tree


def compile_statements(statements: Sequence[ast.stmt]) -> CodeType:
    """Compile statements of a cell, with ``await`` allowed outside functions.

    Raises:
        SyntaxError: as the compiler does.
    """
    module = ast.fix_missing_locations(ast.Module(list(statements), type_ignores=[]))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(module, "<cell>", "exec", flags=flags, dont_inherit=True)
    return code


class _Reader:
    """Collects reads. Each method takes the names stored so far and returns those afterwards."""

    def __init__(self) -> None:
        self.reads: set[str] = set()

    def block(self, statements: Iterable[ast.stmt], stored: Names) -> Names:
        for statement in statements:
            stored = self._statement(statement, stored)
        return stored

    def _statement(self, node: ast.stmt, stored: Names) -> Names:
        match node:
            case ast.If():
                return self._if(node, stored)
            case ast.For() | ast.AsyncFor():
                return self._for(node, stored)
            case ast.While():
                return self._while(node, stored)
            case ast.With() | ast.AsyncWith():
                return self._with(node, stored)
            case ast.Try() | ast.TryStar():
                return self._try(node, stored)
            case ast.Match():
                return self._match(node, stored)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._definition(node, stored)
            case ast.Break() | ast.Continue():
                return stored
            case _:
                self.reads |= global_names(compile_statements([node])).reads - stored
                return stored | _stored_by(node)

    def _expression(self, node: ast.expr, stored: Names) -> Names:
        return self._statement(ast.Expr(node), stored)

    def _if(self, node: ast.If, stored: Names) -> Names:
        stored = self._expression(node.test, stored)
        return self.block(node.body, stored) & self.block(node.orelse, stored)

    def _for(self, node: ast.For | ast.AsyncFor, stored: Names) -> Names:
        stored = self._expression(node.iter, stored)
        target = ast.Assign([node.target], ast.Constant(None))
        self.block(node.body, self._statement(target, stored))
        self.block(node.orelse, stored)
        return stored

    def _while(self, node: ast.While, stored: Names) -> Names:
        stored = self._expression(node.test, stored)
        self.block(node.body, stored)
        self.block(node.orelse, stored)
        return stored

    def _with(self, node: ast.With | ast.AsyncWith, stored: Names) -> Names:
        for item in node.items:
            stored = self._expression(item.context_expr, stored)
            if item.optional_vars is not None:
                target = ast.Assign([item.optional_vars], ast.Constant(None))
                stored = self._statement(target, stored)
        # The context manager may swallow an exception from any point of the body.
        self.block(node.body, stored)
        return stored

    def _try(self, node: ast.Try | ast.TryStar, stored: Names) -> Names:
        after = self.block(node.orelse, self.block(node.body, stored))
        for handler in node.handlers:
            caught = self._expression(handler.type, stored) if handler.type else stored
            bound = frozenset({handler.name} if handler.name else ())
            after &= self.block(handler.body, caught | bound) - bound
        return after | self.block(node.finalbody, stored)

    def _match(self, node: ast.Match, stored: Names) -> Names:
        stored = self._expression(node.subject, stored)
        for case in node.cases:
            captured = frozenset(_captured_by(case.pattern))
            head = ast.match_case(case.pattern, case.guard, [ast.Pass()])
            code = compile_statements([ast.Match(ast.Constant(None), [head])])
            self.reads |= global_names(code).reads - stored - captured
            self.block(case.body, stored | captured)
        return stored

    def _definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, stored: Names
    ) -> Names:
        code = compile_statements([node])
        self.reads |= own_global_names(code).reads - stored
        stored |= {node.name}  # before the body, which runs later: it may call itself
        self.reads |= nested_global_names(code).reads - stored
        return stored


def _stored_by(node: ast.stmt) -> Names:
    """Names that a simple statement certainly stores."""
    match node:
        case ast.Assign():
            targets = [name for target in node.targets for name in _targets(target)]
            return frozenset([*targets, *_walrus_names(node.value)])
        case ast.AnnAssign(value=ast.expr()) | ast.AugAssign():
            return frozenset(_targets(node.target))
        case ast.Import() | ast.ImportFrom():
            return frozenset(alias.asname or alias.name.split(".")[0] for alias in node.names)
        case ast.Expr():
            return frozenset(_walrus_names(node.value))
        case _:
            return frozenset()


def _targets(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Name():
            yield node.id
        case ast.Starred():
            yield from _targets(node.value)
        case ast.Tuple() | ast.List():
            for element in node.elts:
                yield from _targets(element)


def _walrus_names(node: ast.expr) -> Iterator[str]:
    """Names stored by ``:=`` where it is certainly reached."""
    match node:
        case ast.NamedExpr(target=ast.Name(id=name)):
            yield name
            yield from _walrus_names(node.value)
        case ast.Compare():
            yield from _walrus_names(node.left)
            yield from _walrus_names(node.comparators[0])
        case ast.BoolOp():
            yield from _walrus_names(node.values[0])
        case ast.UnaryOp() | ast.Await():
            yield from _walrus_names(node.operand if isinstance(node, ast.UnaryOp) else node.value)
        case ast.Call():
            for argument in node.args:
                yield from _walrus_names(argument)


def _captured_by(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        match node:
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
