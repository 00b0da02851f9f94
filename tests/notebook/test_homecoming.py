"""``--out`` variables come home between cells, and never over what the user has assigned."""

from collections.abc import Callable
from itertools import permutations

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")


@pytest.mark.parametrize("method", METHODS)
def test_they_appear_by_themselves_in_an_idle_kernel(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do(f"%%caikit_job homing -m {method} -o idle_{method}\n{gate.wait}\nidle_{method} = 5")
    gate.open()
    kernel.until(f"globals().get('idle_{method}') == 5")  # asks without running a cell


@pytest.mark.parametrize("method", METHODS)
def test_they_never_appear_in_the_middle_of_a_cell(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job homing -m {method} -o model\n{gate.wait}\nmodel = 'new'")
    cell = kernel.execute(
        "print('begun')\nhoming.wait(120)\nfor _ in range(1000): seen = model\nprint(seen)"
    )
    kernel.wait_for_text(cell, "begun")
    gate.open()
    assert kernel.finish(cell).text == "begun\nold\n"
    assert kernel.value("model") == "new"


def test_the_next_cell_has_them(kernel: Kernel, gate: Gate) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job homing -o model\n{gate.wait}\nmodel = 'new'")
    waiting = kernel.execute("homing.wait(120)")
    following = kernel.execute("print(model)")
    gate.open()
    kernel.finish(waiting)
    assert kernel.finish(following).text == "new\n"


def test_a_cell_that_awaits_keeps_its_variables(kernel: Kernel, gate: Gate) -> None:
    kernel.do("import asyncio\nmodel = 'old'")
    kernel.do(f"%%caikit_job homing -o model\n{gate.wait}\nmodel = 'new'")
    cell = kernel.execute(
        "print('begun')\nawait homing\nfor _ in range(20): await asyncio.sleep(0.001)\nprint(model)"
    )
    kernel.wait_for_text(cell, "begun")
    gate.open()
    assert kernel.finish(cell).text == "begun\nold\n"
    assert kernel.value("model") == "new"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("before", ["'old'", "[1]", "5", "None"])
def test_a_variable_that_was_rebound_is_left_alone(
    kernel: Kernel, gate: Gate, method: str, before: str
) -> None:
    kernel.do(f"model = {before}")
    kernel.do(f"%%caikit_job homing -m {method} -o model\n{gate.wait}\nmodel = 'from the job'")
    kernel.do("model = 'mine'")
    gate.open()
    kernel.do("homing.wait(120)")
    assert kernel.value("[model, homing.outputs['model']]") == ["mine", "from the job"]


def test_a_variable_that_was_made_meanwhile_is_left_alone(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job homing -o unheard_of\n{gate.wait}\nunheard_of = 'from the job'")
    kernel.do("unheard_of = 'mine'")
    gate.open()
    kernel.do("homing.wait(120)")
    assert kernel.value("unheard_of") == "mine"


def test_a_variable_that_was_deleted_meanwhile_does_not_come_back(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job homing -o model\n{gate.wait}\nmodel = 'from the job'")
    kernel.do("del model")
    gate.open()
    kernel.do("homing.wait(120)")
    assert not kernel.value("'model' in globals()")


def test_a_variable_that_was_only_changed_in_place_is_replaced(kernel: Kernel, gate: Gate) -> None:
    kernel.do("import collections\nhistory = collections.deque([1])")
    kernel.do(f"%%caikit_job homing -o history\n{gate.wait}\nhistory = [1, 2, 3]")
    kernel.do("history.append(9)")
    gate.open()
    kernel.do("homing.wait(120)")
    assert kernel.value("history") == [1, 2, 3]


def test_the_card_says_that_a_variable_was_left_alone(kernel: Kernel, gate: Gate) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job homing -o model\n{gate.wait}\nmodel = 'from the job'")
    kernel.do("model = 'mine'")
    gate.open()
    card = kernel.card("homing")
    said = "model was not overwritten, because you reassigned it"
    assert "homing.outputs[&#x27;model&#x27;]" in card.wait_for(said)
    kernel.read_until(lambda: said in card.saved["text/plain"])


def test_the_card_says_that_variables_have_come_home(kernel: Kernel) -> None:
    kernel.do("%%caikit_job homing -o come_home\ncome_home = 1")
    card = kernel.card("homing")
    card.wait_for("come_home is in the namespace")
    kernel.read_until(lambda: "come_home is in the namespace" in card.saved["text/plain"])


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
@pytest.mark.parametrize("before", ["5", "collections.deque()"])
def test_of_jobs_that_bring_one_name_the_last_submitted_wins(
    kernel: Kernel, gates: Callable[[], Gate], order: tuple[str, ...], before: str
) -> None:
    kernel.do(f"import collections\nmodel = {before}")
    gate_of = {name: gates() for name in "abc"}
    for name, gate in gate_of.items():
        kernel.do(f"%%caikit_job {name} -o model\n{gate.wait}\nmodel = {name!r}")
    ended = []
    for name in order:
        gate_of[name].open()
        kernel.do(f"{name}.wait(120)")
        ended.append(name)
        kernel.until(f"model == {max(ended)!r}")
    for name in order:
        by = max(order[: order.index(name)], default="")
        said = f"because {by}, submitted later" if by > name else "model is in the namespace"
        kernel.card(name).wait_for(said)


def test_what_another_job_brought_and_what_you_assigned_are_told_apart(
    kernel: Kernel, gates: Callable[[], Gate]
) -> None:
    kernel.do("model = 'old'")
    first, second = gates(), gates()
    kernel.do(f"%%caikit_job homing -o model\n{first.wait}\nmodel = 'first'")
    kernel.do(f"%%caikit_job later -o model\n{second.wait}\nmodel = 'second'")
    first.open()
    kernel.do("homing.wait(120)")
    kernel.until("model == 'first'")
    kernel.do("model = 'mine'")
    second.open()
    kernel.do("later.wait(120)")
    assert kernel.value("model") == "mine"
    kernel.card("later").wait_for("because you reassigned it")


def test_a_card_names_the_jobs_own_value_though_its_name_is_another_jobs_now(
    kernel: Kernel, gates: Callable[[], Gate]
) -> None:
    first, second = gates(), gates()
    kernel.do(f"%%caikit_job homing -o model\n{first.wait}\nmodel = 'first'")
    card, job = kernel.card("homing"), kernel.value("homing.id")
    kernel.do(f"%%caikit_job homing -o model\n{second.wait}\nmodel = 'second'")
    second.open()
    kernel.do("homing.wait(120)")
    first.open()
    card.wait_for("because homing, submitted later")
    assert f"caikit_nb.jobs[&#x27;{job}&#x27;].outputs" in card.html
    assert kernel.value(f"[model, caikit_nb.jobs[{job!r}].outputs['model']]") == ["second", "first"]


@pytest.mark.parametrize("method", METHODS)
def test_a_job_that_failed_brings_nothing(kernel: Kernel, method: str) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job failing -m {method} -o model --wait\nmodel = 'new'\n1 / 0")
    assert kernel.value("[model, dict(failing.outputs)]") == ["old", {}]


@pytest.mark.parametrize("method", METHODS)
def test_a_job_that_was_cancelled_brings_nothing(kernel: Kernel, method: str) -> None:
    kernel.do("model = 'old'")
    kernel.do(
        f"%%caikit_job ended -m {method} -o model\nmodel = 'new'\nimport time\n"
        "while True: time.sleep(0.01)"
    )
    kernel.do("ended.cancel(); ended.wait(120)")
    assert kernel.value("[model, dict(ended.outputs)]") == ["old", {}]


def test_a_failing_cell_does_not_keep_variables_away(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job homing -o after_failure\n{gate.wait}\nafter_failure = 1")
    cell = kernel.execute("homing.wait(120)\n1 / 0")
    gate.open()
    assert kernel.finish(cell).error.startswith("ZeroDivisionError")
    assert kernel.value("after_failure") == 1


def test_the_last_of_two_jobs_wins_only_where_nothing_was_rebound(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do("model = 'old'")
    kernel.do(f"%%caikit_job slow -o model\n{gate.wait}\nmodel = 'slow'")
    kernel.do("%%caikit_job quick -o model --wait\nmodel = 'quick'")
    assert kernel.value("model") == "quick"
    gate.open()
    kernel.do("slow.wait(120)")
    assert kernel.value("[model, slow.outputs['model']]") == ["quick", "slow"]


def test_values_are_rebuilt_on_the_kernels_main_thread(kernel: Kernel) -> None:
    kernel.do(
        "import sys, threading, types\nsys.modules['noticing'] = types.ModuleType('noticing')\n"
        "sys.modules['noticing'].rebuilt = rebuilt = []\n"
        "def rebuild():\n    rebuilt.append(threading.current_thread().name)\n"
        "rebuild.__module__ = 'noticing'\nsys.modules['noticing'].rebuild = rebuild\n"
        "class Value:\n    def __reduce__(self):\n        return rebuild, ()"
    )
    kernel.do("%%caikit_job homing -m fork -o rebuilt_value\nrebuilt_value = Value()")
    kernel.until("'rebuilt_value' in globals()")
    assert kernel.value("rebuilt") == ["MainThread"]


def test_a_forked_job_does_nothing_of_what_the_kernel_does_around_its_cells(
    start_kernel: Callable[..., Kernel],
) -> None:
    """It would assign what other jobs bring, and show their cards as its own output."""
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do(
        "from caikit_nb.notebook import extension\n"
        "(ours,) = extension._extensions.values()\n"
        "def tell(name):\n"
        "    return lambda *_, **__: print(name)\n"
        "ours.cards.end_cell = tell('cards')\n"
        "ours.tables.end_cell = tell('tables')\n"
        "ours.homecoming._assign = tell('homecoming')\n"
        "get_ipython().events.register('post_run_cell', tell('own'))"
    )
    kernel.do("%%caikit_job copy -m fork -o own\nown = 1")
    assert kernel.value("copy.wait(120)")
    assert kernel.value("copy.logs()") == "own\n"


ENDS_THE_PROCESS = """import sys
class Needy:
    def __init__(self): self.state = 1
    def __setstate__(self, state): sys.exit("libfoo is needed")
"""


def test_a_value_that_would_end_the_kernel_is_told_of(kernel: Kernel) -> None:
    kernel.do(ENDS_THE_PROCESS)
    kernel.do("%%caikit_job needy -o home\nhome = Needy()\nmade = Needy()")
    card = kernel.card("needy")
    card.wait_for("home did not come home: libfoo is needed")
    kernel.click(card.button("Bring back"))
    card.wait_for("nothing was brought back")
    assert kernel.value("1 + 1") == 2
