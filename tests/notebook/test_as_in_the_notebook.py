"""What people run in a job does there what it does in a cell, or in a program."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import ROOT, Kernel

PROCESSES = ("fork", "forkserver", "spawn")
# From Python 3.14 on that of a cell doesn't fork, and so doesn't find the notebook's functions.
POOL = "Pool" if sys.version_info < (3, 14) else "get_context('fork').Pool"
every_method = pytest.mark.parametrize("method", PROCESSES)


def run(kernel: Kernel, method: str, cell: str, options: str = "") -> str:
    """Run a cell as a job to its good end; what it has printed."""
    kernel.do(f"%%caikit_job ran -m {method} {options}\n{cell}")
    assert kernel.value("[ran.wait(120), ran.status.name, str(ran.exception())]", 180) == [
        *(True, "COMPLETED", "None")
    ]
    return str(kernel.value("ran.logs()"))


@every_method
@pytest.mark.parametrize(
    "use",
    [
        "from joblib import Parallel, delayed\n"
        "Parallel(n_jobs=2)(delayed(abs)(-n) for n in (1, 2))",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2)\nlist(pool.map(abs, [-1, -2]))",
        "import asyncio\n[await asyncio.to_thread(abs, n) for n in (-1, -2)]",
        f"import multiprocessing\npool = multiprocessing.{POOL}(2)\npool.map(positive, [-1, -2])",
        "import math, multiprocessing as mp\n"
        "with mp.get_context('forkserver').Pool(1) as pool:\n"
        "    found = pool.map(math.floor, [1.5, 2.5])\nfound",
    ],
    ids=["joblib", "executor", "to_thread", "pool", "forkserver"],
)
def test_pools_work_and_hold_nothing_up(kernel: Kernel, method: str, use: str) -> None:
    kernel.do("def positive(number):\n    return abs(number)")
    run(kernel, method, use)
    assert kernel.value("ran.result()") == [1, 2]


@every_method
def test_files_that_the_cell_leaves_open_are_whole(kernel: Kernel, method: str) -> None:
    cell = "import gzip\ntext = open('t', 'w')\ntext.write('a')\npacked = gzip.open('p', 'wt')\n"
    run(kernel, method, cell + "packed.write('b');")
    kernel.do("import gzip")
    assert kernel.value("[open('t').read(), gzip.open('p', 'rt').read()]") == ["a", "b"]


def test_a_file_of_the_notebook_has_what_both_have_written_once(kernel: Kernel) -> None:
    kernel.do("file = open('shared.txt', 'w')\nfile.write('header,')")
    run(kernel, "fork", "file.write('row,');")
    kernel.do("file.write('footer')\nfile.close()")
    written = kernel.value("open('shared.txt').read()")
    assert sorted(written.split(",")) == ["footer", "header", "row"]


@every_method
def test_exit_handlers_and_temporary_directories(kernel: Kernel, method: str) -> None:
    kernel.do("import os, tempfile\nscratch = tempfile.TemporaryDirectory()")
    where = run(
        kernel,
        method,
        "import atexit, pathlib, tempfile\natexit.register(pathlib.Path('ended').touch)\n"
        "own = tempfile.TemporaryDirectory()\nprint(own.name)",
    )
    assert kernel.value("os.path.exists('ended')")
    assert not kernel.value(f"os.path.exists({where.strip()!r})")
    assert kernel.value("os.path.isdir(scratch.name)")
    kernel.do("os.remove('ended')\nscratch.cleanup()")


def test_what_does_not_end_is_ended_after_a_while_and_the_card_says_so(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.exit_grace = '0.2s'")
    try:
        kernel.do(
            "%%caikit_job lasting -m fork\nimport threading\n"
            "threading.Thread(target=threading.Event().wait, name='listener').start()\n'done'"
        )
        assert kernel.value("lasting.result(120)", 180) == "done"
        said = "0.2 s after its code, it still waited for the thread listener"
        assert said in kernel.card("lasting").wait_for("listener")
    finally:
        kernel.do("%config CaikitJobs.exit_grace = '10s'")


@every_method
def test_the_time_limit_is_the_codes(kernel: Kernel, method: str) -> None:
    """What comes after it has a limit of its own, and hides no error."""
    kernel.do(
        f"%%caikit_job broken -m {method} --timeout 1m --retries 1\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(1)\npool.submit(abs, 1).result()\n"
        "raise ValueError('the real reason')"
    )
    assert kernel.value("repr(broken.exception(120))", 180) == "ValueError('the real reason')"


@every_method
@pytest.mark.parametrize(
    "cell",
    [
        "task = asyncio.create_task(work())",
        "task = asyncio.ensure_future(work())",
        "task = asyncio.create_task(work())\nawait asyncio.sleep(0)",
    ],
)
def test_tasks_are_done_that_the_cell_does_not_await(
    kernel: Kernel, method: str, cell: str
) -> None:
    kernel.do("import asyncio\nasync def work():\n    await asyncio.sleep(0)\n    print('worked')")
    assert run(kernel, method, cell) == "worked\n"


BEATING = """import asyncio
async def beat():
    while True:
        await asyncio.sleep(0.01)
beating = asyncio.create_task(beat())
await asyncio.sleep(0)
"""


@every_method
def test_a_task_that_does_not_end_holds_neither_result_nor_error_back(
    kernel: Kernel, method: str
) -> None:
    kernel.do("%config CaikitJobs.exit_grace = '0.2s'")
    try:
        kernel.do(f"%%caikit_job lasting -m {method} --timeout 1m\n{BEATING}'done'")
        assert kernel.value("lasting.result(120)", 180) == "done"
        said = "0.2 s after its code, it still waited for a task of asyncio"
        assert said in kernel.card("lasting").wait_for("a task of asyncio")
        kernel.do(f"%%caikit_job broken -m {method}\n{BEATING}raise ValueError('the real reason')")
        assert kernel.value("repr(broken.exception(120))", 180) == "ValueError('the real reason')"
    finally:
        kernel.do("%config CaikitJobs.exit_grace = '10s'")


AWAITING = """import asyncio
async def wait():
    print('goes on', flush=True)
    await asyncio.Event().wait()
"""


@every_method
@pytest.mark.parametrize(
    "cell",
    [
        "await wait()",
        "task = asyncio.create_task(asyncio.Event().wait())\nawait wait()",
        "async with asyncio.TaskGroup() as group:\n    group.create_task(wait())",
        "asyncio.run(wait())",
    ],
)
def test_an_interrupt_cancels_what_a_cell_awaits(kernel: Kernel, method: str, cell: str) -> None:
    """Its handlers run, as with `asyncio.run`."""
    lines = cell.replace("\n", "\n    ")
    kernel.do(
        f"%%caikit_job awaits -m {method}\n{AWAITING}try:\n    {lines}\n"
        "except asyncio.CancelledError:\n    print('cleaned up')\n    raise"
    )
    kernel.card("awaits").wait_for("goes on")
    kernel.do("awaits.interrupt()")
    assert kernel.value("repr(awaits.exception(120))", 180) == "KeyboardInterrupt()"
    printed = ["goes on"] if "run(" in cell else ["goes on", "cleaned up"]
    assert kernel.value("awaits.logs().split('\\n')[:-1]") == printed


@every_method
def test_an_interrupt_ends_code_that_does_not_await(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job spins -m {method}\nimport asyncio, time\n"
        "task = asyncio.create_task(asyncio.sleep(0))\n"
        "print('goes on', flush=True)\nwhile True:\n    time.sleep(0.01)"
    )
    kernel.card("spins").wait_for("goes on")
    kernel.do("spins.interrupt()")
    assert kernel.value("repr(spins.exception(120))", 180) == "KeyboardInterrupt()"


def test_a_fork_has_the_notebooks_last_values(kernel: Kernel) -> None:
    kernel.do("4 + 4")
    run(kernel, "fork", "(_, __)")
    assert kernel.value("ran.result()[0]") == 8
    kernel.do("_ = str.upper\ndef translated():\n    return _('hi')")
    run(kernel, "fork", "1\ntranslated()")
    assert kernel.value("ran.result()") == "HI"
    kernel.do("del _")


@every_method
def test_a_debug_level_shows_nothing_of_ours(
    start_kernel: Callable[..., Kernel], method: str
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\nimport logging\nlogging.basicConfig(level=logging.DEBUG)")
    assert run(kernel, method, "1") == ""


@every_method
def test_a_class_whose_module_nobody_has_loaded_is_found(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import numpy\nrecords = numpy.rec.array([(1, 'a')], dtype=[('x', int), ('s', 'U3')])"
    )
    run(kernel, method, "repr(records), records.view(numpy.recarray)")
    assert (
        kernel.value("[ran.result()[0], repr(ran.result()[1])]")
        == ["rec.array([(1, 'a')],\n          dtype=[('x', '<i8'), ('s', '<U3')])"] * 2
    )
    assert kernel.value("type(ran.result()[1]) is numpy.recarray")


MADE_BY_TYPING = """
from dataclasses import dataclass
from typing import Callable, Generic, NewType, ParamSpec, TypeVar, TypeVarTuple
UserId = NewType('UserId', str)
P, T, Ts = ParamSpec('P'), TypeVar('T'), TypeVarTuple('Ts')
@dataclass
class User:
    id: UserId
class Holder(Generic[P, T]):
    pass
def named(user: UserId, *more: *Ts) -> Callable[P, T]:
    return User(UserId(user))
"""


@every_method
def test_what_typing_has_made_goes_along(kernel: Kernel, method: str) -> None:
    kernel.do(MADE_BY_TYPING)
    run(kernel, method, "Holder, Ts, UserId, P, named(UserId('a'))")
    assert kernel.value("ran.result() == (Holder, Ts, UserId, P, User('a'))")


@every_method
def test_classes_are_found_by_name(kernel: Kernel, method: str) -> None:
    kernel.do("class Mine: pass\nthings = [Mine()]")
    run(kernel, method, "import pickle\ntype(pickle.loads(pickle.dumps(things))[0]).__name__")
    assert kernel.value("ran.result()") == "Mine"


@every_method
def test_wrapped_functions_cross(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import functools\n"
        "@functools.lru_cache(maxsize=7)\n"
        "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "@functools.singledispatch\ndef kind(value): return 'any'\n"
        "@kind.register\ndef _(value: int): return 'int'\n"
        "class Lazy:\n    @functools.cached_property\n    def one(self): return 1\n"
        "def uses(n): return fib(n)"
    )
    cell = "[fib(30), uses(10), fib.cache_parameters()['maxsize'], kind(1), kind('a'), Lazy().one]"
    run(kernel, method, cell)
    assert kernel.value("ran.result()") == [832040, 55, 7, "int", "any", 1]


@every_method
def test_future_imports_of_earlier_cells_hold(kernel: Kernel, method: str) -> None:
    kernel.do("from __future__ import annotations")
    try:
        run(kernel, method, "def function(x: NotThereYet): return x\nfunction(1)")
    finally:
        flag = "__import__('__future__').annotations.compiler_flag"
        kernel.do(f"get_ipython().compile.flags &= ~{flag}")


@every_method
def test_exit_and_help_and_the_debugger(kernel: Kernel, method: str) -> None:
    assert run(kernel, method, "print('before')\nexit()") == "before\n"
    kernel.do("import json")
    run(kernel, method, "json.dumps?")
    assert "Serialize" in kernel.value("str([d.data for d in ran.displays]) + ran.logs()")
    kernel.do("%pdb on")
    try:
        kernel.do(f"%%caikit_job divides -m {method}\n1 / 0")
        assert "ZeroDivisionError" in kernel.value("repr(divides.exception(120))", 180)
    finally:
        kernel.do("%pdb off")


def test_a_display_of_an_earlier_cell_is_updated_on_the_card(kernel: Kernel) -> None:
    kernel.do("handle = display('start', display_id=True)")
    run(kernel, "fork", "handle.update('second step')")
    assert "second step" in kernel.value("str([shown.data for shown in ran.displays])")


@every_method
def test_functions_that_are_async_are_run(kernel: Kernel, method: str) -> None:
    kernel.do("async def increased(number): return number + 1")
    kernel.do(f"awaited = caikit_nb.options(start_method='{method}').submit(increased, 1)")
    assert kernel.value("awaited.result(120)", 180) == 2


def test_a_generator_function_is_refused(kernel: Kernel) -> None:
    kernel.do("def numbers():\n    yield 1")
    assert "is a generator function" in kernel.run("caikit_nb.submit(numbers)").error


def test_a_keyword_is_no_name_of_a_parameter(kernel: Kernel) -> None:
    said = kernel.run("%%caikit_job never -p lambda=0.1\n1").text
    assert "lambda is a keyword of Python" in said


def test_the_future_of_a_running_job_says_in_a_copy_that_it_hears_nothing(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job first -m fork\n{gate.wait}\n41")
    kernel.do("%%caikit_job second -m fork\nfirst.result() + 1")
    assert "JobNotHereError" in kernel.value("repr(second.exception(120))", 180)
    gate.open()
    assert kernel.value("first.result(120)", 180) == 41
    run(kernel, "fork", "first.result() + 1")
    assert kernel.value("ran.result()") == 42


def test_bystanders_are_not_asked_and_nothing_is_pickled_for_a_fork(kernel: Kernel) -> None:
    kernel.do(
        "class Unconfigured:\n    @property\n"
        "    def __class__(self): raise RuntimeError('no settings')\n"
        "class Counted:\n    pickled = 0\n    def __reduce__(self):\n"
        "        Counted.pickled += 1\n        return Counted, ()\n"
        "settings, counted = Unconfigured(), Counted()\n"
        "class Reader:\n    def read(self): return counted"
    )
    run(kernel, "fork", "1")
    assert kernel.value("Counted.pickled") == 0
    kernel.do("del settings")


@every_method
def test_functions_of_one_closure_count_together(kernel: Kernel, method: str) -> None:
    kernel.do(
        "def counter():\n    count = 0\n    def add():\n        nonlocal count\n"
        "        count += 1\n    def get(): return count\n    return add, get\nadd, get = counter()"
    )
    run(kernel, method, "add()\nadd()\nget()")
    assert kernel.value("[ran.result(), get()]") == [2, 0]


@every_method
def test_a_metaclass_is_not_asked(kernel: Kernel, method: str) -> None:
    kernel.do(
        "asked = []\n"
        "class Asked(type):\n"
        "    def __getattribute__(kind, name):\n"
        "        asked.append(name)\n"
        "        return super().__getattribute__(name)\n"
        "class Bystander(metaclass=Asked): pass\n"
        "asked.clear()"
    )
    run(kernel, method, "1")
    assert kernel.value("asked") == []


@every_method
def test_a_metaclass_whose_classes_have_no_hash_stands_against_nothing(
    kernel: Kernel, method: str
) -> None:
    kernel.do(
        "class Field(type):\n    def __eq__(kind, other): raise TypeError('not to be compared')\n"
        "class Name(metaclass=Field): pass\nfield = Name()"
    )
    run(kernel, method, "open('field', 'w').write('of a job')")
    assert (kernel.home / "field").read_text() == "of a job"
    kernel.do("del Field, Name, field")


def test_a_file_of_the_users_own_is_not_called_at_a_submission(kernel: Kernel) -> None:
    kernel.do(
        "import io\ncalled = []\nclass Own(io.BufferedIOBase):\n"
        "    def writable(self): called.append('writable')\n    def close(self): pass\nown = Own()"
    )
    run(kernel, "fork", "1")
    assert kernel.value("called") == []
    kernel.do("del own")


@every_method
def test_what_finalizers_call_is_there_when_they_are_called(kernel: Kernel, method: str) -> None:
    text = run(
        kernel,
        method,
        "import weakref\n"
        "class Saver:\n    def __del__(self): save('saver')\n"
        "def steps():\n    try: yield 1\n    finally: save('generator')\n"
        "class Held: pass\n"
        "saver, begun, held = Saver(), steps(), Held()\nnext(begun)\n"
        "weakref.finalize(held, lambda: save('finalize'))\n"
        "import sys\nkept = sys.kept_for_ever = Held()\n"
        "weakref.finalize(kept, lambda: save('exit'))\n"
        "def save(what): print(what, len(names))\n"
        "names = [1, 2]",
    )
    assert sorted(text.splitlines()) == ["exit 2", "finalize 2", "generator 2", "saver 2"]


@pytest.mark.parametrize("ask", ["from getpass import getpass as ask", "ask = input"])
def test_a_copy_asks_nobody_by_whatever_name(kernel: Kernel, ask: str) -> None:
    kernel.do(ask)
    kernel.do("%%caikit_job asking -m fork\nask('token? ')")
    assert kernel.value("[asking.wait(120), str(asking.exception())[:36]]", 180) == [
        *(True, "a background job can't ask for input")
    ]


def test_instances_of_a_class_without_a_name_come_back_as_such(kernel: Kernel) -> None:
    kernel.do(
        "registry = {}\ndef register(kind): registry[kind.__name__] = kind\n"
        "@register\nclass Point: pass"
    )
    run(kernel, "fork", "registry['Point']()")
    assert kernel.value("type(ran.result()) is registry['Point']")


def test_threads_that_run_the_users_code_stand_against_a_fork(kernel: Kernel) -> None:
    kernel.do(
        "import _thread, threading\nbegun, over = threading.Event(), threading.Event()\n"
        "def work():\n    begun.set()\n    over.wait()\n"
        "_thread.start_new_thread(work, ())\nbegun.wait()"
    )
    kernel.do("%%caikit_job beside -m auto\n1")
    kernel.do("over.set()")
    assert kernel.value("beside.result(120)", 180) == 1
    assert kernel.value("beside.start_method") == "forkserver"


SETTINGS = """
import logging, sys, warnings
import numpy as np, pandas as pd
from IPython.core.magic import register_line_magic
@register_line_magic
def hello(line): print('hello', line)
get_ipython().alias_manager.define_alias('greet', 'echo greetings %s')
mine = logging.getLogger('mine')
mine.setLevel(logging.INFO)
mine.addHandler(logging.StreamHandler())
mine.handlers[0].setFormatter(logging.Formatter('%(levelname)s of mine: %(message)s'))
sys.setrecursionlimit(12345)
warnings.filterwarnings('ignore', message='known')
np.set_printoptions(precision=2)
pd.set_option('display.max_rows', 7)
get_ipython().ast_node_interactivity = 'all'
import decimal, os, socket, sklearn
decimal.getcontext().prec = 3
sklearn.set_config(transform_output='pandas')
os.umask(0o027)
socket.setdefaulttimeout(12.5)
import resource
set_to = os.nice(1), {min(os.sched_getaffinity(0))}, 98765432
os.sched_setaffinity(0, set_to[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (set_to[2], resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
class Station:
    def filter(self, record):
        record.station = 'Ulm'
        return True
mine.handlers[0].addFilter(Station())
mine.handlers[0].setFormatter(logging.Formatter('%(levelname)s in %(station)s: %(message)s'))
logging.addLevelName(25, 'NOTE')
logging.disable(logging.INFO)
import sqlite3
sqlite3.register_adapter(np.int64, int)
sqlite3.register_converter('shout', lambda text: text.decode().upper())
%load_ext greeter
%precision 2
class Point: pass
get_ipython().display_formatter.formatters['text/plain'].for_type(
    Point, lambda point, p, cycle: p.text('a point'))
import matplotlib_inline.backend_inline
%config InlineBackend.figure_formats = ['svg']
@pd.api.extensions.register_dataframe_accessor('geo')
class Geo:
    def __init__(self, frame): self.frame = frame
    def rows(self): return len(self.frame)
pd.Series.doubled = lambda series: series * 2
from tqdm.auto import tqdm
tqdm.pandas(desc='applied')
import dask.config
dask.config.set(mine=7)
"""
USE = """%hello you
%greet you
mine.info('not said')
mine.log(25, 'a record')
import warnings, sys
warnings.warn('known and harmless')
print(sys.getrecursionlimit(), np.array([1.23456]), pd.get_option('display.max_rows'))
import decimal, os, socket, sklearn
print(decimal.Decimal(1) / 3, sklearn.get_config()['transform_output'])
print(oct(os.umask(0)), socket.getdefaulttimeout())
import resource
got = os.nice(0), os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_FSIZE)[0]
print(got == set_to)
import sqlite3
database = sqlite3.connect(':memory:', detect_types=sqlite3.PARSE_COLNAMES)
print(database.execute('select ? + 1, ? as "a [shout]"', (np.int64(4), 'loud')).fetchone())
%greeting
from matplotlib_inline.config import InlineBackend
print(InlineBackend.instance(parent=get_ipython()).figure_formats)
frame = pd.DataFrame({'a': [1, 2]})
print(frame.geo.rows(), frame.a.doubled().sum(), frame.a.progress_apply(lambda x: x + 1).sum())
import dask.config
print(dask.config.get('mine'))
1/3
Point()"""
GREETER = """
def load_ipython_extension(shell):
    shell.register_magic_function(greeting)

def greeting(line):
    print('greetings of an extension')
"""


@every_method
def test_what_is_set_for_the_process_holds(
    start_kernel: Callable[..., Kernel], method: str, tmp_path: Path
) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    kernel = start_kernel(PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    kernel.do("%load_ext caikit_nb")
    kernel.do(SETTINGS)
    said = run(kernel, method, USE)
    assert said.splitlines() == [
        "hello you",
        "greetings you",
        "NOTE in Ulm: a record",
        "12345 [1.23] 7",
        "0.333 pandas",
        "0o27 12.5",
        "True",
        "(5, 'LOUD')",
        "greetings of an extension",
        "{'svg'}",
        "2 6 5",
        "7",
    ]
    shown = kernel.value("[shown.data['text/plain'] for shown in ran.displays]")
    assert shown[-2:] == ["0.33", "a point"]


ASKS = """
shell = get_ipython()
class_of = type(shell).__name__, type(shell).__module__
import tqdm.auto
print(class_of, "IPKernelApp" in shell.config, tqdm.auto.tqdm.__module__)
"""


@every_method
def test_a_library_that_asks_is_told_that_it_is_in_a_notebook(kernel: Kernel, method: str) -> None:
    here = kernel.do(ASKS).text
    assert here.startswith("('ZMQInteractiveShell', 'ipykernel.zmqshell') True")
    assert run(kernel, method, ASKS) == here


IMMOVABLE = """
import logging, queue
from IPython.core.magic import Magics, line_magic, magics_class, register_line_magic
@magics_class
class Mine(Magics):
    @line_magic
    def bound(self, line): print('bound', line)
get_ipython().register_magics(Mine)
@register_line_magic
def free(line): print('free', line)
class Keeper(logging.Handler):
    lock_of_its_own = None
    def emit(self, record): print('kept', record.getMessage())
logging.getLogger('mine').addHandler(Keeper())
logging.getLogger('mine').addHandler(logging.NullHandler())
"""


def test_what_can_not_come_along_is_one_line_on_the_card(
    start_kernel: Callable[..., Kernel],
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do(IMMOVABLE)
    assert run(kernel, "fork", "%bound 1\n%free 2").splitlines() == ["bound 1", "free 2"]
    assert kernel.value("ran._job.notes") == []
    assert run(kernel, "forkserver", "%free 3") == "free 3\n"
    line = "its fresh interpreter does not have: the magic %bound, the Keeper of the logger mine"
    assert kernel.value("ran._job.notes") == [line]
    assert line in kernel.card("ran").wait_for("completed")


@every_method
def test_an_asynchronous_generator_that_is_left_open_is_closed(kernel: Kernel, method: str) -> None:
    kernel.do(
        "async def given():\n    try:\n        yield 1\n    finally:\n        print('closed')"
    )
    assert run(kernel, method, "left = given()\nprint(await left.__anext__())") == "1\nclosed\n"


@every_method
def test_a_class_that_a_library_has_made_is_the_notebooks_own(kernel: Kernel, method: str) -> None:
    kernel.do("import dataclasses\nMade = dataclasses.make_dataclass('Made', ['field'])")
    run(kernel, method, "Made(1)")
    assert kernel.value("[type(ran.result()) is Made, ran.result() == Made(1)]") == [True, True]
