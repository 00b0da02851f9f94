"""Which names of the notebook's namespace a cell needs where it runs in a fresh interpreter.

Not seen are names that code looks up in ways of its own: ``globals()["x"]``, ``eval`` of a string
that is put together at run time, ``%run -i``.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.global_names import GlobalNames, global_names
from caikit_nb.notebook.magic_calls import unfold_magics
from caikit_nb.notebook.straight_line import compile_statements, names_read_first, parse_cell

# A fresh interpreter has its own ones.
_OWN_NAMES = frozenset(
    {"In", "Out", "_ih", "_oh", "_dh", "get_ipython", "exit", "quit", "open"}
    | {"__annotations__", "__annotate__", "__conditional_annotations__"}
    | {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"}
    | {"__builtin__", "__builtins__"}
)


@dataclass(frozen=True, slots=True)
class CellNames:
    """The names that a cell touches.

    Attributes:
        reads: Names of the namespace that it may read before it has stored them itself.
        mentions: Further names of the namespace that occur only in text whose use isn't known,
            such as the line of an unknown magic or an SQL query. Worth shipping if they can be.
        writes: Global names that it stores, in the namespace or not.
        magics: The magics it calls, as ``%name`` and ``%%name``.
    """

    reads: frozenset[str]
    mentions: frozenset[str]
    writes: frozenset[str]
    magics: frozenset[str]


def find_names(
    source: str, shell: InteractiveShell | None, namespace: Mapping[str, object]
) -> CellNames:
    """Find the names that a cell touches, without running it.

    A function or class of the notebook is one name: its pickle carries the globals it reads.

    Args:
        source: The cell, with IPython's syntax.
        shell: The shell whose syntax and magics hold; None for IPython's own.
        namespace: The notebook's namespace.

    Raises:
        SyntaxError: The cell isn't valid; the error is the compiler's own.
    """
    transform = shell.transform_cell if shell else TransformerManager().transform_cell
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cell gives its warnings where it runs
        python = transform(source)
        unfolded = unfold_magics(python, transform, shell)
        names = _names_read_first(unfolded.tree, python)
    available = _shippable(namespace, shell)
    return CellNames(
        reads=names.reads & available,
        mentions=(unfolded.mentions & available) - names.reads,
        writes=frozenset(name for name in names.writes - _OWN_NAMES if name.isidentifier()),
        magics=unfolded.magics,
    )


def _names_read_first(unfolded: ast.Module, python: str) -> GlobalNames:
    try:
        return names_read_first(unfolded)
    except SyntaxError:
        # A magic's names, written out, may break a rule: say, read before a global statement.
        return global_names(compile_statements(parse_cell(python).body))


def _shippable(namespace: Mapping[str, object], shell: InteractiveShell | None) -> frozenset[str]:
    """The namespace's names, without IPython's own unless the user has rebound them."""
    hidden: Mapping[str, object] = shell.user_ns_hidden if shell else {}
    own = {name for name in _OWN_NAMES & namespace.keys() if name not in hidden}
    own |= {name for name in _OWN_NAMES & hidden.keys() if namespace.get(name) is hidden[name]}
    return frozenset(namespace.keys() - own)
