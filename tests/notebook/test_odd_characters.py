"""Half a character, as a cut emoji is: no message can carry it, and every card tells the end."""

import pytest

from tests.notebook.kernel import Kernel

HALF = r"'a \ud83d b'"
BODIES = {
    "error": f"raise ValueError({HALF})",
    "bar": f"for _ in caikit_nb.progress(range(3), desc={HALF}): pass",
    "metric": f"caikit_nb.log_metric(**{{{HALF}: 1.0}})\ncaikit_nb.log_metric(**{{{HALF}: 2.0}})",
    "display": f"from IPython.display import HTML\ndisplay(HTML({HALF}))",
    "value": f"{HALF}",
    "print": f"print({HALF}, flush=True)",
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_card_tells_the_end(kernel: Kernel, kind: str) -> None:
    kernel.do(f"%%caikit_job odd_{kind}\n{BODIES[kind]}")
    kernel.do(f"odd_{kind}.wait()")
    end = "failed" if kind == "error" else "completed"
    card = kernel.card(f"odd_{kind}")
    kernel.read_until(lambda: end in card.saved["text/html"], 180, "the end is saved")
    card.wait_for(end)


def test_a_group_tells_the_end_and_later_cells_are_clean(kernel: Kernel) -> None:
    kernel.do(f"def work(n): raise ValueError({HALF})")
    kernel.do("futures = [caikit_nb.submit(work, n) for n in range(3)]")
    kernel.do("for future in futures: future.wait()")
    kernel.read_until(
        lambda: any("3 jobs: 3 failed" in str(shown) for shown in kernel.displays.values()),
        180,
        "the end is saved",
    )
    assert kernel.run("print(1)").text == "1\n"
    assert not kernel.run("1").error


def test_a_table_tells_the_end(kernel: Kernel) -> None:
    kernel.do(f"%%caikit_job odd_told --wait\nraise ValueError({HALF})")
    kernel.do("%caikit_jobs")
    shown = list(kernel.displays.values())[-1]
    assert "odd_told" in shown["text/html"]
    assert "running" not in shown["text/html"]
