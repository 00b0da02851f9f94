"""`make demo`: the first notebook in a real kernel, its jobs live in the terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lazy import Lazy

pytestmark = pytest.mark.timeout(600)
nbformat = Lazy("nbformat")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints."""
    ended = subprocess.run(
        [sys.executable, "notebooks/demo.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def test_jobs_print_while_others_run(shown: str) -> None:
    first, last = shown.index("linear | epoch 5:"), shown.index("linear ✓ completed")
    assert "network | epoch" in shown[first:last]


def test_progress_is_shown(shown: str) -> None:
    assert re.search(r"linear [█░]+ \d+/40 +network [█░]+ \d+/25", shown)


def test_each_job_ends_as_the_notebook_says(shown: str) -> None:
    table = shown[shown.rindex("job ") :]
    ends = re.findall(r"^(\w+) +(completed|cancelled|failed)", table, re.MULTILINE)
    assert ends == [
        ("linear", "completed"),
        ("network", "completed"),
        ("search", "cancelled"),
        ("broken", "failed"),
    ]


def test_the_executed_notebook_has_the_results(shown: str) -> None:
    path = shown.rstrip().rpartition(" ")[2]
    notebook = nbformat.read(ROOT / path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    cards = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert any("completed" in card and "linear" in card for card in cards)
    texts = "".join(output.get("text", "") for output in outputs)
    assert re.search(r"neural network: accuracy 0\.9\d+ after 25 epochs", texts)


def test_the_notebook_in_the_repository_has_no_outputs() -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "01_first_job.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
