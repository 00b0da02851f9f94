"""Clicks while a cell runs: obeyed at once where the kernel has subshells, else after the cell."""

from __future__ import annotations

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.subshell import Subshell, needs_subshells
from tests.notebook.test_card import card_of

CLICK = {"method": "custom", "content": {"event": "click"}}

ENDLESS = "import time\nwhile True: time.sleep(0.01)"


@needs_subshells
@pytest.mark.parametrize("method", ["fork", "forkserver", "thread"])
def test_a_click_is_obeyed_while_a_cell_runs(kernel: Kernel, gate: Gate, method: str) -> None:
    subshell = Subshell(kernel)
    kernel.do(f"%%caikit_job endless -m {method}\n{ENDLESS}")
    card = card_of(kernel, "endless")
    card.wait_for("running")
    cell = kernel.execute(gate.wait)
    subshell.say_to_widget(card.button("Cancel"), CLICK)
    card.wait_for("⊘")  # the cell has not ended: its gate is closed
    gate.open()
    kernel.finish(cell)


@needs_subshells
def test_a_result_is_pinned_and_the_log_scale_is_drawn_while_a_cell_runs(
    kernel: Kernel, gate: Gate
) -> None:
    subshell = Subshell(kernel)
    kernel.do(
        "%%caikit_job kept -m fork --retain 1h\n"
        "for n in range(1, 50): caikit_nb.log_metric(loss=10.0 ** -n)"
    )
    card = card_of(kernel, "kept")
    linear = card.wait_for("kept for 59 min more")
    cell = kernel.execute(gate.wait)
    subshell.say_to_widget(card.button("Pin"), CLICK)
    card.wait_for("pinned")
    (toggle,) = [
        key for key in card.model_ids if kernel.widgets[key]["_model_name"] == "ToggleButtonModel"
    ]
    changed = {"method": "update", "state": {"value": True}, "buffer_paths": []}
    subshell.say_to_widget(toggle, changed)
    kernel.read_until(lambda: ">1e−25<" in card.html, what="the logarithmic scale")
    assert ">1e−25<" not in linear
    gate.open()
    kernel.finish(cell)


def test_a_click_is_not_lost_without_a_subshell(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job endless -m fork\n{ENDLESS}")
    card = card_of(kernel, "endless")
    card.wait_for("running")
    cell = kernel.execute(gate.wait)
    kernel.click(card.button("Cancel"))
    gate.open()
    kernel.finish(cell)
    card.wait_for("⊘")


@needs_subshells
def test_run_again_waits_for_the_cell_and_says_so(kernel: Kernel, gate: Gate) -> None:
    subshell = Subshell(kernel)
    kernel.do("factor = 0")
    kernel.do("%%caikit_job again -m fork\n1 / factor")
    card = card_of(kernel, "again")
    card.wait_for("failed")
    cell = kernel.execute(f"print('begun')\n{gate.wait}\nfactor = 4")
    kernel.wait_for_text(cell, "begun")
    subshell.say_to_widget(card.button("Run again"), CLICK)
    kernel.read_until(lambda: card.shows_button("Runs when the kernel is free"), what="the wait")
    gate.open()
    kernel.finish(cell)
    card.wait_for("completed")
    assert kernel.value("again.result(120)") == 0.25
