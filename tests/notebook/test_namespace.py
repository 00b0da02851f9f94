"""What a job sees of the namespace, and what crosses between the two."""

import sys

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")
FRESH = ("forkserver", "spawn")


@pytest.mark.parametrize("method", PROCESSES)
def test_a_job_sees_the_namespace_of_its_submission(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do("state = {'value': 'then'}\nword = 'then'")
    kernel.do(f"%%caikit_job looking -m {method}\n{gate.wait}\n[state['value'], word]")
    kernel.do("state['value'] = 'now'\nword = 'now'")
    gate.open()
    assert kernel.value("looking.result(120)") == ["then", "then"]


@pytest.mark.parametrize("method", PROCESSES)
def test_so_does_a_job_that_waited_in_the_queue(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job ahead -m fork\n{gate.wait}")
    kernel.do("state = {'value': 'then'}\nword = 'then'")
    kernel.do(f"%%caikit_job queued -m {method}\n[state['value'], word]")
    kernel.do("state['value'] = 'now'\ndel word")
    assert kernel.value("queued.status.name") == "QUEUED"
    gate.open()
    assert kernel.value("queued.result(120)") == ["then", "then"]
    kernel.do("%config CaikitJobs.max_workers = 4")


def test_a_forked_job_sees_what_its_source_does_not_name(kernel: Kernel) -> None:
    kernel.do("hidden = 'seen'")
    kernel.do("%%caikit_job seeing -m fork\nglobals()['hid' + 'den']")
    assert kernel.value("seeing.result(120)") == "seen"


def test_a_forked_job_uses_what_cannot_be_pickled(kernel: Kernel) -> None:
    kernel.do("import threading\nlock = threading.Lock()\nnumbers = (n for n in [5, 6])")
    kernel.do("%%caikit_job using -m fork\nwith lock:\n    total = sum(numbers)\ntotal")
    assert kernel.value("using.result(120)") == 11


UNPICKLABLE = """
import threading
class Model:
    def __init__(self):
        self.layers = [1, {'guard': threading.Lock()}]
model = Model()
"""


@pytest.mark.parametrize("method", FRESH)
def test_a_variable_that_cannot_be_shipped_is_named_with_its_attribute(
    kernel: Kernel, method: str
) -> None:
    kernel.do(UNPICKLABLE)
    jobs_before = kernel.value("len(caikit_nb.jobs)")
    cell = kernel.run(f"%%caikit_job shipping -m {method}\nmodel.layers")
    assert cell.text.startswith("UsageError: %%caikit_job: 'model' can't be pickled")
    assert "model.layers[1]['guard']" in cell.text
    assert cell.text.count("\n") == 1
    assert kernel.value("['shipping' in globals(), len(caikit_nb.jobs)]") == [False, jobs_before]


@pytest.mark.parametrize("method", FRESH)
def test_an_argument_that_cannot_be_shipped_is_named(kernel: Kernel, method: str) -> None:
    kernel.do(UNPICKLABLE)
    cell = kernel.run(f"caikit_nb.options(start_method={method!r}).submit(id, model)")
    assert cell.error.startswith("UnpicklableError: ")
    assert "['guard']" in cell.error


@pytest.mark.parametrize("method", PROCESSES)
def test_a_result_that_cannot_come_home_is_a_clear_error(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job stuck -m {method} --wait\nimport threading\n{{'deep': [threading.Lock()]}}"
    )
    error = kernel.run("stuck.result()").error
    assert error.startswith("UnpicklableError: the result can't be pickled")
    assert "['deep'][0]" in error


@pytest.mark.parametrize("method", PROCESSES)
def test_one_variable_that_cannot_come_home_does_not_keep_the_others(
    kernel: Kernel, method: str
) -> None:
    kernel.do(
        f"%%caikit_job partly -m {method} -o good_{method},bad_{method} --wait\nimport threading\n"
        f"good_{method}, bad_{method} = 7, threading.Lock()\n'result'"
    )
    assert kernel.value(f"[good_{method}, 'bad_{method}' in globals()]") == [7, False]
    assert kernel.value("partly.result()") == "result"
    assert f"bad_{method} did not come home" in kernel.card("partly").wait_for("did not come home")


CLASSES = """
class Base:
    def describe(self):
        return helper(self.value)
class Point(Base):
    count = 0
    def __init__(self, value):
        self.value = value
def helper(value):
    return f'value {value}'
def make(value):
    return Point(value)
"""


@pytest.mark.parametrize("method", METHODS)
def test_instances_come_back_as_instances_of_the_kernels_class(kernel: Kernel, method: str) -> None:
    kernel.do(CLASSES)
    kernel.do(f"%%caikit_job making -m {method} -o point --wait\npoint = make(3)\npoint")
    assert kernel.value("[type(point) is Point, type(making.result()) is Point]") == [True, True]
    assert kernel.value("point.describe()") == "value 3"
    kernel.do("del point")


@pytest.mark.parametrize("method", METHODS)
def test_a_returned_instance_leaves_its_class_in_the_kernel_as_it_was(
    kernel: Kernel, method: str
) -> None:
    kernel.do(
        "rate = 1\nclass Bank:\n    owner = 'kernel'\n    def interest(self):\n        return rate"
    )
    kernel.do("own = vars(Bank)['interest']")
    kernel.do(f"%%caikit_job banking -m {method} -o bank --wait\nbank = Bank()")
    kernel.do("rate = 2")
    assert kernel.value("[bank.interest(), vars(Bank)['interest'] is own]") == [2, True]
    kernel.do("del bank")


@pytest.mark.parametrize("method", METHODS)
def test_a_class_that_was_defined_anew_counts_as_it_is_now(kernel: Kernel, method: str) -> None:
    for version in range(3):
        kernel.do(f"class Again:\n    version = {version}\nimport gc; gc.collect()")
        kernel.do(f"%%caikit_job again -m {method} --wait\nAgain()")
        assert kernel.value("[type(again.result()) is Again, again.result().version]") == [
            True, version,
        ]  # fmt: skip


def test_a_class_in_the_place_of_one_that_is_gone_counts_as_another(kernel: Kernel) -> None:
    """It has the number of that one."""
    kernel.do("import gc\nnumbers = []")
    for version in range(20):
        kernel.do(f"class InItsPlace:\n    version = {version}\nnumbers.append(id(InItsPlace))")
        kernel.do("%%caikit_job placed -m fork --wait\nInItsPlace()")
        assert kernel.value("[type(placed.result()) is InItsPlace, placed.result().version]") == [
            *(True, version)
        ]
        kernel.do("%caikit_jobs purge placed\ndel InItsPlace, placed\ngc.collect()")
        if kernel.value("len(set(numbers)) < len(numbers)"):
            break


@pytest.mark.parametrize("method", METHODS)
def test_a_class_defined_in_the_job_comes_back_usable(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job defining -m {method} --wait\nclass Fresh:\n    def greet(self):\n"
        "        return 'hello'\nFresh()"
    )
    assert kernel.value("defining.result().greet()") == "hello"


@pytest.mark.parametrize("method", METHODS)
def test_a_function_defined_in_the_job_comes_back_usable(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job defining -m {method} -o doubled_{method} --wait\nfactor = 2\n"
        f"def doubled_{method}(x):\n    return x * factor"
    )
    assert kernel.value(f"doubled_{method}(4)") == 8


@pytest.mark.parametrize("method", METHODS)
def test_annotated_code_crosses(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import dataclasses\n@dataclasses.dataclass\nclass Node:\n    value: int\n"
        "    next: 'Node | None' = None\nnode: Node = Node(1, Node(2))"
    )
    kernel.do(
        f"%%caikit_job annotated -m {method} --wait\ntotal: int = node.value + node.next.value\n"
        "def show(node: Node) -> int: return node.value\n"
        "if total:\n    shown: str = f'{show(node)} of {total}'\n[shown, node]"
    )
    assert kernel.value("[annotated.result()[0], annotated.result()[1] == node]") == [
        "1 of 3", True,
    ]  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before 3.14 such definitions are refused")
@pytest.mark.parametrize("method", METHODS)
def test_annotations_may_name_what_is_not_there(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import dataclasses\n@dataclasses.dataclass\nclass Node:\n    value: int\n"
        "    next: Node | None = None\n"
        "def total(node: Node, more: frames.Frame = 0) -> Later:\n"
        "    return node.value + node.next.value + more\nnode = Node(1, Node(2))"
    )
    kernel.do(
        f"%%caikit_job unknown -m {method} -o kept --wait\n"
        "def again(x: Later) -> Later: return total(x, 3)\nkept = again\n[again(node), node]"
    )
    assert kernel.value("[unknown.result()[0], unknown.result()[1] == node]") == [6, True]
    assert kernel.value("kept(node)") == 6


@pytest.mark.parametrize("method", PROCESSES)
def test_a_function_of_the_notebook_sets_the_jobs_globals(kernel: Kernel, method: str) -> None:
    kernel.do("count = 0\ndef increment():\n    global count\n    count += 1")
    kernel.do(
        f"%%caikit_job counting -m {method} --wait\ncount = 10\nincrement()\nincrement()\ncount"
    )
    assert kernel.value("[counting.result(), count]") == [12, 0]


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_that_came_home_leaves_its_class_as_it_was(
    kernel: Kernel, method: str
) -> None:
    kernel.do(
        "limit = 1\nclass Exceeded(Exception):\n    def above(self):\n        return limit\n"
        "own = vars(Exceeded)['above']"
    )
    kernel.do(f"%%caikit_job raising -m {method} --wait\nraise Exceeded('by far')")
    kernel.do("limit = 2\nerror = raising.exception()")
    assert kernel.value("[type(error) is Exceeded, error.above()]") == [True, 2]
    assert kernel.value("vars(Exceeded)['above'] is own")


@pytest.mark.parametrize("method", METHODS)
def test_dataclasses_and_enums_of_the_notebook_cross_both_ways(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import dataclasses, enum\nclass Colour(enum.Enum):\n    RED = 1\n"
        "@dataclasses.dataclass\nclass Pixel:\n    colour: Colour\npixel = Pixel(Colour.RED)"
    )
    kernel.do(f"%%caikit_job crossing -m {method} --wait\ndataclasses.replace(pixel)")
    assert kernel.value("[crossing.result() == pixel, crossing.result().colour is Colour.RED]") == [
        True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_300_mb_array_comes_back(kernel: Kernel, method: str) -> None:
    kernel.do("import numpy as np\nlarge = None")
    kernel.do(
        f"%%caikit_job bulky -m {method} -o large --wait\nimport numpy as np\n"
        "large = np.ones(300_000_000 // 8)\nlarge[-1] = 5"
    )
    assert kernel.value("[large.nbytes, float(large[-1]), float(large[0])]") == [300_000_000, 5, 1]
    kernel.do("large[0] = 2\nassert large[0] == 2")  # it is writable
    kernel.do("bulky.purge(); large = None")


@pytest.mark.parametrize("method", FRESH)
def test_a_large_array_is_shipped(kernel: Kernel, method: str) -> None:
    kernel.do("import numpy as np\nshipped = np.arange(10_000_000)")
    kernel.do(f"%%caikit_job reading -m {method}\nint(shipped.sum())")
    assert kernel.value("reading.result(120)") == 49_999_995_000_000
    kernel.do("del shipped")


@pytest.mark.parametrize("method", PROCESSES)
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5_000_000])
def test_a_result_of_any_size_arrives(kernel: Kernel, method: str, size: int) -> None:
    kernel.do(f"sized = caikit_nb.options(start_method={method!r}).submit(bytes, {size})")
    assert kernel.value("len(sized.result(120))") == size


@pytest.mark.parametrize("method", METHODS)
def test_an_error_of_any_size_arrives(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job loud -m {method}\nraise ValueError('x' * 10_000_000)")
    kernel.do("error = loud.exception(120)")
    assert kernel.value("[type(error).__name__, len(str(error))]") == ["ValueError", 10_000_000]
    assert kernel.value("len(loud.get_info().reason) < 10_000")
    assert len(kernel.card("loud").wait_for("ValueError")) < 100_000


@pytest.mark.parametrize("method", PROCESSES)
def test_a_very_long_line_does_not_block_a_job(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job wordy -m {method}\nprint('x' * 20_000_000)\n'done'")
    assert kernel.value("wordy.result(120)") == "done"


@pytest.mark.parametrize("method", METHODS)
def test_a_parameter_of_the_cell_is_no_global_of_the_kernel(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job given -m {method} -p only_{method}=1 --wait\nonly_{method}")
    assert kernel.value(f"[given.result(), 'only_{method}' in globals()]") == [1, False]


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_an_imported_submodule_is_there_in_a_fresh_interpreter(kernel: Kernel, method: str) -> None:
    kernel.do("import xml.sax.handler")
    kernel.do(f"%%caikit_job deep -m {method} --wait\nxml.sax.handler.version")
    assert kernel.value("deep.result()") == "2.0beta"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_modules_need_not_be_named(kernel: Kernel, method: str) -> None:
    kernel.do("import math\nradius = 2")
    kernel.do(f"%%caikit_job named -i radius -m {method} --wait\nmath.sqrt(radius * 8)")
    assert kernel.value("named.result()") == 4.0
