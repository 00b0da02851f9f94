"""caikit's trainings in a notebook: cards, interrupts, retention."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fifo import Fifo
from tests.notebook.kernel import Kernel
from tests.notebook.test_readme import blocks

(BRIDGE,) = (cell for cell in blocks("python") if "caikit_nb.compat" in cell)
BEGIN = f"""
%load_ext caikit_nb
{BRIDGE}
from tests.compat.real_caikit.widgets import Held, Sample, Scaling
from tests.fifo import Fifo
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        kernel.do(BEGIN, timeout=180)
        yield kernel


def test_a_training_shows_a_card_and_survives_an_interrupt(kernel: Kernel, tmp_path: Path) -> None:
    held = Fifo(tmp_path / "held")
    kernel.do(f"held = Fifo.__new__(Fifo); held.path = {held.path!r}")
    kernel.do("future = caikit.train(Held, held)")
    kernel.card("Held").wait_for("running")
    waiting = kernel.execute("print('waiting')\nfuture.wait()")
    kernel.wait_for_text(waiting, "waiting")
    kernel.interrupt()
    assert kernel.finish(waiting).error.startswith("KeyboardInterrupt")
    held.say("3")
    kernel.card("Held").wait_for("completed")
    assert kernel.value("future.load().factor") == 3.0


def test_a_training_obeys_its_retention(kernel: Kernel, tmp_path: Path) -> None:
    """Its card says so, too."""
    path = tmp_path / "models"
    kernel.do(
        "trainer = caikit_nb.compat.caikit.ModelTrainer({'retention_duration': '1s'}, 'brief')\n"
        f"brief = caikit.train(Scaling, [2.0], trainer=trainer, save_path={str(path)!r}, "
        "save_with_id=True, wait=True)"
    )
    kernel.card("Scaling").wait_for("result dropped after 1 s")
    kernel.until(f"not __import__('os').listdir({str(path)!r})")
    assert "Unknown training_id" in kernel.run("trainer.get_model_future(brief.id)").error
