"""``%caikit_job``: one expression as a job."""

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")


@pytest.mark.parametrize("method", METHODS)
def test_the_expression_is_the_result(kernel: Kernel, method: str) -> None:
    kernel.do("def train(data, epochs): return sum(data) * epochs\ndata = [1, 2]")
    kernel.do(f"job = %caikit_job -m {method} train(data, epochs=3)")
    assert kernel.value("[job.start_method, job.result(120)]") == [method, 9]


@pytest.mark.parametrize("method", METHODS)
def test_the_line_returns_while_its_job_runs(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"held = %caikit_job -m {method} {gate.wait}")
    assert not kernel.value("held.status.is_terminal")
    gate.open()
    assert kernel.value("held.wait(120)")


def test_the_expression_goes_to_the_end_of_the_line(kernel: Kernel) -> None:
    kernel.do("""spaced = %caikit_job -m thread "a - b 'c'".split(" - ") + ["--wait"]""")
    assert kernel.value("spaced.result(120)") == ["a", "b 'c'", "--wait"]


def test_braces_and_dollars_in_the_expression_are_left_alone(kernel: Kernel) -> None:
    kernel.do("x = 5")
    kernel.do("braces = %caikit_job -m thread [{'a': x, 'b': 1}, f'{x}', '$x']")
    assert kernel.value("braces.result(120)") == [{"a": 5, "b": 1}, "5", "$x"]


def test_options_come_before_the_expression(kernel: Kernel) -> None:
    kernel.do("optioned = %caikit_job --wait --quiet -p lr=0.5 -m forkserver lr * 2")
    assert kernel.value("[optioned.status.name, optioned.result()]") == ["COMPLETED", 1.0]


def test_the_names_an_expression_needs_are_shipped(kernel: Kernel) -> None:
    kernel.do("factor = 4\nclass Point:\n    def __init__(self, x): self.x = x")
    kernel.do("shipped = %caikit_job -m spawn Point(3).x * factor")
    assert kernel.value("shipped.result(120)") == 12


def test_a_line_alone_shows_one_card(kernel: Kernel) -> None:
    cell = kernel.do("%caikit_job -m thread 1 + 1")
    assert len(cell.displays) == 1
    assert cell.displays[0]["text/plain"].startswith("job job_")


def test_a_line_in_a_loop_starts_a_job_each_time(kernel: Kernel) -> None:
    kernel.do(
        "many = []\nfor n in range(3):\n    j = %caikit_job -m forkserver --quiet n * 10\n"
        "    many.append(j)"
    )
    assert kernel.value("[j.result(120) for j in many]") == [0, 10, 20]


def test_an_expression_may_await(kernel: Kernel) -> None:
    kernel.do("import asyncio")
    kernel.do("awaited = %caikit_job await asyncio.sleep(0, 'slept')")
    assert kernel.value("awaited.result(120)") == "slept"
