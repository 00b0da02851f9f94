"""Which names of the notebook a cell is found to need."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from caikit_nb.notebook.cell_names import CellNames, find_names

NAMES = [*"abcdefghijkmnpqrstuvwxyz", "data", "df", "limit", "model", "np", "out"]
NAMESPACE: dict[str, object] = {name: f"the {name}" for name in NAMES}


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    """A shell without a history database."""
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell(config=config)  # type: ignore[no-untyped-call]


def reads(source: str, shell: InteractiveShell | None = None) -> str:
    """The found names, sorted, as text."""
    return " ".join(sorted(find_names(source, shell, NAMESPACE).reads))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b", "a b"),
        ("a.b.c", "a"),
        ("a['b']", "a"),
        ("print(len(a))", "a"),
        ("f'{a:{b}} {c=}'", "a b c"),
        ("f(a, *b, **c)", "a b c f"),
        ("[x for x in a if x > b]", "a b"),
        ("lambda x: x + a", "a"),
        ("def f(x, y=a, *, z: b = c) -> d:\n  return x + e", "a b c d e"),
        ("def f():\n  def g():\n    return a\n  return g", "a"),
        ("def f(a):\n  def g():\n    return a\n  return g", ""),
        ("class C(a, metaclass=b):\n  c: d = e\n  def m(self): return f", "a b d e f"),
        ("class C:\n  a = 1\n  b = a", ""),
        ("class C:\n  a = a", "a"),
        ("class C:\n  a = 1\n  def m(self): return a", "a"),
        ("@a\ndef f(): pass", "a"),
        ("await a", "a"),
        ("[x async for x in a]", "a"),
        ("a += 1", "a"),
        ("a.b = c", "a c"),
        ("a[b] = c", "a b c"),
        ("del a", "a"),
        ("def f():\n  global a\n  a += 1", "a"),
        ("global a\na = b", "b"),
        ("", ""),
        ("# only a comment", ""),
    ],
)
def test_names_that_are_read_are_needed(source: str, expected: str) -> None:
    """Every way of reading a global counts; attributes, keys, locals and builtins don't."""
    assert reads(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 1\na", ""),
        ("a, (b, *c) = d\na, b, c", "d"),
        ("a: int = 1\na", ""),
        ("a: int\na", "a"),
        ("a = a\na", "a"),
        ("import a\nimport b.c\nfrom m_ import d as e\na, b, e, d", "d"),
        ("from a import *\nb", "b"),
        ("def f(x): return f(x - 1)\nf(a)", "a"),
        ("@f\ndef f(): pass", "f"),
        ("class C:\n  def m(self): return C\nC", ""),
        ("class a(a): pass", "a"),
        ("def f(): return g()\ndef g(): pass\nf()", "g"),
        ("f(a := 1)\na", "f"),
        ("not (a := 1)\na", ""),
        ("b and (a := 1)\na", "a b"),
    ],
)
def test_names_that_the_cell_has_stored_are_not_needed(source: str, expected: str) -> None:
    """Plain statements store for certain; what they read before does count."""
    assert reads(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if a: b = 1\nb", "a b"),
        ("if a: b = 1\nelse: b = 2\nb", "a"),
        ("if a: b = 1\nelif c: b = 2\nelse: b = 3\nb", "a c"),
        ("if (b := a): b", "a"),
        ("for x in a:\n  y = x\n  y", "a"),
        ("for x in a: y = x\nx, y", "a x y"),
        ("for x in a: pass\nelse: x", "a x"),
        ("for a[b] in c: pass", "a b c"),
        ("async for x in a: x", "a"),
        ("while a: b = 1\nb", "a b"),
        ("while b := a: b\nb", "a"),
        ("with a as b: c = b\nb", "a"),
        ("with a: b = 1\nb", "a b"),
        ("with a as b, b.c as d: d", "a"),
        ("async with a as (b, c): b, c", "a"),
        ("try: import a\nexcept ImportError: a = None\na", ""),
        ("try: a = 1\nexcept b: pass\na", "a b"),
        ("try: a = 1\nexcept b as e: e\ne", "b e"),
        ("try: a = 1\nfinally: a", "a"),
        ("try: pass\nfinally: a = 1\na", ""),
        ("try: a = 1\nexcept b: a = 2\nelse: c = a\na, c", "b c"),
        ("try: a = 1\nexcept* b: a = 2\na", "b"),
        ("match a:\n  case [x, *y] if x > b: x, y\n  case {'k': z, **m_}: z, m_", "a b"),
        ("match a:\n  case b.c: d = 1\n  case model(k=x) as y: x, y\nd", "a b d model"),
        ("def f():\n  a = 1\na", "a"),
    ],
)
def test_in_doubt_a_name_is_needed(source: str, expected: str) -> None:
    """What is stored only on some ways through the cell doesn't count as stored."""
    assert reads(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("!ls {a} $b {c.d} {e[0]} {f(g)}", "a b c e f g"),
        ("x = !ls $a.b\nx", "a"),
        ("!ls '$a' $$b", ""),
        ("!awk '{print $1}' {a}", ""),  # IPython expands all fields or none
        ("%cd {a}/$b", "a b"),
        ("for i in a:\n  !echo {i} {b}", "a b"),
        ("def f(a):\n  !echo {a} {b}", "b"),
        ("def f():\n  !echo {a}\n  global a", ""),
        ("%time x = f(a)\nx", "a f"),
        ("x = %time f(a)", "a f"),
        ("%timeit -n 3 -r2 -q x = f(a)\nx", "a f x"),
        ("x = %timeit -o f(a)", "a f"),
        ("%prun -l 5 -s cumulative f(a)", "a f"),
        ("%%time\nx = a\nx", "a"),
        ("%%time\n%time x = a\nx", "a"),
        ("%%timeit x = a\nx + b", "a b"),
        ("%%capture --no-stderr out\nx = a\nx", "a"),
        ("%%prun -s time\nf(a)", "a f"),
        ("%%bash -s $a {b}\necho {c} $d", "a b"),
        ("def f():\n  %time await a\n  %time from m_ import *; b", "a b"),
        ("class C:\n  %time x = a", "a"),
    ],
)
def test_names_in_magics_are_needed(source: str, expected: str, shell: InteractiveShell) -> None:
    """Python inside magics is read as Python, and expanded fields as IPython expands them."""
    assert reads(source, shell) == expected
    assert reads(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("eval('a + b')", "a b"),
        ("exec('import os; x = a')", "a"),
        ("df.query('age > @limit')", "df limit"),
        ("df.query(f'age > @limit and x < {b}')", "b df limit"),
        ("df.eval('x = y + @a')", "a df"),
        ("eval('not valid')", ""),
    ],
)
def test_names_in_constant_code_are_needed(source: str, expected: str) -> None:
    """Text that is evaluated as it stands is read too."""
    assert reads(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("m_.sql('select * from data join df using (k)')", "data df"),
        ("m_.ols('y ~ np.log(x) + z', df)", "np"),
        ("print('from data')", ""),
        ("%memit f(a)", "a f"),
        ("%%sql\nselect * from df", "df"),
        ("%%heat\nx = a\nx + b", "a b"),
        ("%%caikit_job train -o model\nx", "model"),
        ("a?", "a"),
        ("%store a", "a"),
        ("%cd data", ""),
        ("%matplotlib a", ""),
        ("%%bash\necho a", ""),
        ("%%writefile a\nb", ""),
        ("%timeit (a", "a"),
    ],
)
def test_names_in_text_of_unknown_use_are_mentioned(
    source: str, expected: str, shell: InteractiveShell
) -> None:
    """Unknown magics, SQL and formulas may read variables; IPython's own text magics don't."""
    assert " ".join(sorted(find_names(source, shell, NAMESPACE).mentions)) == expected


def test_a_name_that_is_read_is_not_mentioned_besides() -> None:
    """Each name is in one list."""
    assert find_names("%memit a\na", None, NAMESPACE) == CellNames(
        reads=frozenset("a"),
        mentions=frozenset(),
        writes=frozenset(),
        magics=frozenset({"%memit"}),
    )


def test_what_a_cell_stores_is_told_whether_or_not_it_was_there() -> None:
    """Writes are the global names: not locals, not what a timed statement stores."""
    source = (
        "'docstring'\nx1 = 1\nimport os.path\ndef f1(): global y1; y1 = z1 = 1\n"
        "class C1: q1 = 1\nfor i1 in []: j1 = 1\n%timeit k1 = 1\n%time m1 = 1"
    )
    writes = find_names(source, None, {}).writes
    assert writes == {"x1", "os", "f1", "y1", "C1", "i1", "j1", "m1"}


def test_where_annotations_are_kept_is_no_name_of_the_users(shell: InteractiveShell) -> None:
    """Python's own names for them differ by version, and lie in the namespace."""
    source = "x: int = 1\nif x:\n    y: str\ndef f(): return x"
    namespace: dict[str, Any] = {"int": int, "str": str}
    exec(compile(source, "In [1]", "exec", dont_inherit=True), namespace)
    names = find_names(source + "\n__annotations__", None, namespace)
    assert names.writes == {"x", "f"}
    assert names.reads == {"int", "str"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [("%%capture out\n1", "out"), ("%%bash --out o1 --err e1\nls", "e1 o1"), ("x = !ls", "x")],
)
def test_what_magics_store_is_told(source: str, expected: str) -> None:
    """Some magics name the variables that take their output."""
    assert " ".join(sorted(find_names(source, None, {}).writes)) == expected


def test_the_magics_are_listed() -> None:
    """A fresh interpreter must have them loaded."""
    source = "%%time\n%load_ext m\n!ls\nx = %sql select 1"
    assert find_names(source, None, {}).magics == {"%%time", "%load_ext", "%sql"}


def test_an_alias_of_a_magic_is_read_as_the_magic(shell: InteractiveShell) -> None:
    """`%alias_magic t time` makes `%t` carry Python."""
    shell.run_line_magic("alias_magic", "t time")
    names = find_names("%t x = f(a)\nx", shell, NAMESPACE)
    assert names.reads == {"f", "a"}
    assert names.magics == {"%t"}


def test_names_outside_the_namespace_are_not_needed() -> None:
    """Builtins and unknown names aren't there to be shipped; a rebound builtin is."""
    assert find_names("max(unknown)", None, {}).reads == set()
    assert find_names("max(unknown)", None, {"max": 1}).reads == {"max"}


def test_the_shells_own_names_stay(shell: InteractiveShell) -> None:
    """A fresh interpreter has its own In, Out, open and the like."""
    source = "In, Out, _ih, _oh, _dh, get_ipython, exit, quit, open, __name__, __builtins__"
    assert find_names(source, shell, shell.user_ns).reads == set()


def test_a_rebound_name_of_the_shell_is_needed(shell: InteractiveShell) -> None:
    """Who calls a variable In or open means that variable."""
    namespace = shell.user_ns | {"In": 1, "open": 2}
    assert find_names("In, Out, open", shell, namespace).reads == {"In", "open"}


def test_earlier_results_are_needed_where_they_are_read() -> None:
    """`_` and `_3` are values as any other, but none is taken along unasked."""
    namespace = {"_": 1, "__": 2, "_3": 3, "_4": 4}
    assert find_names("_ + __ + _3", None, namespace).reads == {"_", "__", "_3"}


@pytest.mark.parametrize("source", ["x = = 1", "def", "print(a", "return a", "\0", "  a\n b"])
def test_a_faulty_cell_raises_its_syntax_error(source: str) -> None:
    """The error comes before anything starts."""
    with pytest.raises(SyntaxError):
        find_names(source, None, NAMESPACE)


@pytest.mark.parametrize("source", ["%time x = = 1", "%%time\nx = = 1", "%timeit (a"])
def test_faulty_code_in_a_magic_is_left_to_the_magic(source: str) -> None:
    """Options that aren't understood must not stop a valid cell."""
    assert find_names(source, None, NAMESPACE).reads == set()


def test_a_cell_that_would_warn_does_not_warn_yet() -> None:
    """The cell gives its warnings where it runs (here warnings are errors)."""
    assert reads("assert (a, 'text')\nb is 1\n'\\d'") == "a b"


STATEMENTS = [
    *["a = b", "b = a", "c = a + b", "a += c", "del b", "import os as c", "f = lambda: a", "K.a"],
    *["if a:\n  b = 2\nelse:\n  b = 3", "if a > 1:\n  c = 5", "for a in (b,):\n  c = a"],
    *["for b in ():\n  a = 1", "while a < 0:\n  b = a", "def g(): return log(a, b)", "c = g()"],
    *["try:\n  a = b / 0\n  c = 1\nexcept ZeroDivisionError as e:\n  b = 7", "(d := a)", "d"],
    *["with Suppress():\n  1 / 0\n  a = b", "class K:\n  a = a\n  b = a", "log(c, d)", "log(a)"],
    *[
        "log(*[a for a in (b, c)])",
        "match a:\n  case 1:\n    b = a\n  case d:\n    c = d",
        "a = f()",
    ],
    *["try:\n  a = 1\nfinally:\n  c = b", "a, *d = b, c", "log(a if b else c)", "b and (c := 1)"],
    *["def h():\n  global d\n  d = a", "h()", "log(lambda: c)", "assert b", "class a(K): pass"],
]


def run(source: str, namespace: dict[str, Any]) -> list[object]:
    """Run a cell in a copy of the namespace; what it logged, and its error."""
    logged: list[object] = []

    class Suppress:
        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> bool:
            return True

    def log(*values: object) -> None:
        logged.extend(value if isinstance(value, int) else type(value) for value in values)

    try:
        exec(source, {**namespace, "log": log, "Suppress": Suppress})
    except Exception as error:
        logged.append(repr(error))
    return logged


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=8).map("\n".join))
def test_a_cell_runs_the_same_with_only_the_names_it_needs(source: str) -> None:
    """No statement order makes a needed name go unseen."""
    notebook: dict[str, Any] = {"__name__": "notebook", "a": 0, "b": 1, "c": 2, "d": 3}
    exec("def f(): return 4\ndef g(): return 5\ndef h(): return 6\nclass K: a = 7", notebook)
    needed = find_names(source, None, notebook).reads
    shipped = {name: notebook[name] for name in needed} | {"__name__": "notebook"}
    assert run(source, shipped) == run(source, notebook)


@given(st.text("abx=:+ \n(){}[]%!$?'\"@.#\\"))
def test_any_text_is_a_cell_or_a_syntax_error(source: str) -> None:
    """Whatever is typed, nothing but SyntaxError is raised."""
    try:
        names = find_names(source, None, NAMESPACE)
    except SyntaxError:
        return
    assert names.reads | names.mentions <= NAMESPACE.keys()


DEFINITIONS = """
import math
scale = 10
def double(x): return 2 * x
def train(x):
    def inner(): return double(x) * scale + math.floor(0.5)
    return inner()
class Base:
    factor = 3
    def area(self): return train(self.factor)
class Child(Base):
    @property
    def total(self): return sum(self.area() for _ in range(scale))
make = lambda: Child()
"""


def test_a_function_of_the_notebook_carries_the_globals_it_reads(tmp_path: Path) -> None:
    """So functions, methods, base classes and nested functions need no names besides."""
    notebook: dict[str, Any] = {"__name__": "__main__"}
    exec(DEFINITIONS, notebook)
    needed = find_names("make().total, Child().area(), train(1)", None, notebook).reads
    assert needed == {"make", "Child", "train"}
    for name in needed:
        (tmp_path / name).write_bytes(cloudpickle.dumps(notebook[name]))
    code = (
        "import pickle, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    globals()[path.name] = pickle.loads(path.read_bytes())\n"
        "print(make().total, Child().area(), train(1))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["600", "60", "20"]


def test_functions_pickled_apart_keep_globals_of_their_own() -> None:
    """What the cell stores later doesn't reach them, unless their globals are bound to it."""
    notebook: dict[str, Any] = {"__name__": "__main__", "rate": 1}
    exec("def train(): return rate", notebook)
    fresh = {"train": pickle.loads(cloudpickle.dumps(notebook["train"]))}
    exec("rate = 2\nresult = train()", fresh)
    assert fresh["result"] == 1
