"""What nbclient and nbconvert keep, who execute a notebook and hear only what its cells say."""

import html
import os
import re
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.converted import converted
from tests.lazy import Lazy
from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

nbclient, nbformat = Lazy("nbclient"), Lazy("nbformat")
LOAD = "%load_ext caikit_nb"
JOB = "%%caikit_job train -o best\nbest = 6 * 7\nprint('trained')\nbest"


def executed_card(cells: list[str], sessions: Path) -> str:
    """The saved card of the notebook's second cell."""
    return executed([LOAD, JOB, *cells], sessions)[1]


def executed(sources: list[str], sessions: Path) -> list[str]:
    """The text of the one output that each cell has, "" where it has none."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    client = nbclient.NotebookClient(
        notebook, timeout=180, extra_arguments=["--IPKernelApp.log_level=40"]
    )
    client.execute(env={**os.environ, "CAIKIT_NB_DIR": str(sessions)})
    shown = [[o for o in cell.outputs if "data" in o] for cell in notebook.cells]
    texts = [_text(*outputs) if outputs else "" for outputs in shown]
    read = converted(notebook).split()
    missing = {word for text in texts for word in html.unescape(text).split()} - set(read)
    assert not missing, "nbconvert shows the same"
    return texts


def _text(output: Any) -> str:
    return re.sub("<[^>]*>", " ", output["data"].get("text/html", ""))


@pytest.mark.parametrize("wait", ["train.result()", "train.wait()", "%caikit_jobs wait train"])
def test_the_last_cell_leaves_a_card_that_tells_the_end(wait: str, tmp_path: Path) -> None:
    card = executed_card([wait], tmp_path)
    assert "completed" in card
    assert "trained" in card
    assert "best is in the namespace" in card


def test_the_last_cell_leaves_a_table_that_tells_the_end(tmp_path: Path, gate: Gate) -> None:
    job, end = f"%%caikit_job short\n{gate.wait}", f"{gate.opening}\nshort.wait()"
    table = executed([LOAD, job, "%caikit_jobs", end], tmp_path)[2]
    assert "short" in table
    assert "completed" in table
    assert "running" not in table


def test_an_end_between_two_cells_is_told_again_in_the_next(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job train\n{gate.wait}")
    card = kernel.card("train")
    gate.open()
    kernel.read_until(lambda: "completed" in card.saved["text/html"])
    kernel.displays[card.display_id] = {}
    kernel.do("1")
    assert "completed" in card.saved["text/html"]
    kernel.displays[card.display_id] = {}
    kernel.do("2")
    assert card.saved == {}, "once is enough"


def test_a_job_that_the_notebooks_end_cuts_off_says_so(tmp_path: Path) -> None:
    job = "%%caikit_job cut\nimport signal\nprint('begun', flush=True)\nsignal.pause()"
    seen = "import time\nwhile 'begun' not in cut.logs(): time.sleep(0.01)"
    card = executed([LOAD, job, seen], tmp_path)[1]
    assert re.search(r"running at \d\d:\d\d:\d\d on [\d-]+, when the last cell ended", card)
    assert "begun" in card


def test_with_wait_at_end_none_is_cut_off(tmp_path: Path) -> None:
    setting = "%config CaikitJobs.wait_at_end = True"
    after = "%%caikit_job last --after first -o made\nprint('last words')\nmade = 1"
    first = "%%caikit_job first\nprint('first words')"
    cards = executed([LOAD, setting, first, after], tmp_path)
    assert "completed" in cards[2]
    assert "first words" in cards[2]
    assert "completed" in cards[3]
    assert "last words" in cards[3]


def test_the_card_of_a_server_is_kept_and_says_when_it_served(tmp_path: Path) -> None:
    model = "import numpy as np\ndef double(x: np.ndarray) -> np.ndarray:\n    return 2 * x"
    serve = "server = caikit_nb.serve(double, 'doubling')"
    cards = executed([LOAD, model, serve], tmp_path)
    assert re.search(r"serving +at \d\d:\d\d:\d\d", cards[2])
    assert "doubling" in cards[2]


def test_the_card_of_a_server_that_was_stopped_says_so(kernel: Kernel) -> None:
    kernel.do("import numpy as np\ndef half(x: np.ndarray) -> np.ndarray:\n    return x / 2")
    kernel.do("server = caikit_nb.serve(half, 'halving')")
    (shown,) = [saved for saved in kernel.displays.values() if "halving" in str(saved)]
    assert shown[KEPT_VIEW]["ended"] is False
    assert "ended with the kernel" in shown[KEPT_VIEW]["lost"]
    kernel.do("server.stop()")
    (display_id,) = [key for key, saved in kernel.displays.items() if "halving" in str(saved)]
    kernel.read_until(lambda: kernel.displays[display_id][KEPT_VIEW]["ended"])
    assert "stopped" in kernel.displays[display_id]["text/html"]


def test_a_table_tells_at_each_cells_end_how_jobs_stand(tmp_path: Path) -> None:
    quick, endless = "%%caikit_job quick\n1", "%%caikit_job endless\nimport signal\nsignal.pause()"
    table = executed([LOAD, endless, quick, "%caikit_jobs", "quick.wait()"], tmp_path)[3]
    assert "completed" in table
    assert "running" in table
