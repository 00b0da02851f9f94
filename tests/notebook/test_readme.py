"""The README's tour, cell by cell, in a real kernel."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.notebook.kernel import Kernel

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def test_every_cell_of_the_tour_runs(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    # The one with caikit runs where caikit is: tests/compat/real_caikit.
    cells = [cell for cell in blocks("python") if "caikit_nb.compat" not in cell]
    assert len(cells) >= 5
    for cell in cells:
        kernel.do(cell)
    for found in ("search.best()", "ExperimentDB().get_experiment('digits').best('accuracy')"):
        assert kernel.value(f"{found}.results['accuracy']") > 0.5
    assert kernel.value("[len(history), history[-1] == train.result()]") == [50, True]


def test_the_option_table_names_the_options_that_there_are(
    start_kernel: Callable[..., Kernel],
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    (line,) = kernel.run("%%caikit_job --no-such-option\n1").text.strip().splitlines()
    known = set(re.findall(r"--[a-z-]+", line.partition("the options are")[2]))
    table = README.read_text("utf-8").partition("## Options")[2].partition("### ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `-")]
    assert {name for row in rows for name in re.findall(r"--[a-z-]+", row)} == known
