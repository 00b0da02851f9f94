"""The lessons in notebooks/, as `make docs` has executed them: their jobs end as they say."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.lazy import Lazy

nbformat = Lazy("nbformat")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("0*.ipynb"))
EXECUTED = ROOT / "build" / "jupyter_execute"
PAGES = ROOT / "build" / "docs"
CARD = "application/vnd.caikit-nb.card+json"
STATES = {"completed": "COMPLETED", "failed": "ERRORED", "cancelled": "CANCELED"}
# A card's first line, and a row of the table.
STATE = re.compile(rf"^(?:job (\w+): |(\w+) +)({'|'.join(STATES)})\b")


def executed(name: str) -> Any:
    """The notebook with its outputs."""
    return nbformat.read(EXECUTED / name, as_version=4)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def ends(notebook: Any) -> dict[str, str]:
    """How each job that has a card or a row in a table has ended, by its name."""
    shown = [o["data"]["text/plain"] for o in outputs(notebook) if CARD in o.get("data", {})]
    lines = [found for text in shown for line in text.splitlines() if (found := STATE.match(line))]
    return {found[1] or found[2]: STATES[found[3]] for found in lines}


def all_but(completed: str, **others: str) -> dict[str, str]:
    return dict.fromkeys(completed.split(), "COMPLETED") | others


@pytest.mark.docs
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "02_progress_and_metrics.ipynb",
            all_but("bootstrap folds printed network pictures steered"),
        ),
        (
            "03_start_methods.ipynb",
            all_but(
                "inks copy counted looked_up chosen insisted shared averages", greedy="ERRORED"
            ),
        ),
        (
            "04_queue_and_retention.ipynb",
            all_but(
                "linear kernel trees prepared trained fetched short longer job_1",
                broken="ERRORED",
                pressed="CANCELED",
                bottled="CANCELED",
                stuck="ERRORED",
            ),
        ),
    ],
)
def test_jobs_end_as_the_lesson_says(name: str, expected: dict[str, str]) -> None:
    notebook = executed(name)
    assert ends(notebook) == expected
    assert_cards_tell_the_end(notebook)


@pytest.mark.docs
def test_the_search_of_the_lesson_finds_and_prunes() -> None:
    notebook = executed("05_experiments.ipynb")
    found = ends(notebook)
    assert found["final"] == "COMPLETED"
    text = "".join(output.get("text", "") for output in outputs(notebook))
    assert re.search(r"accuracy on unseen tumours: 0\.9\d", text)
    views = [o["data"]["text/plain"] for o in outputs(notebook) if "data" in o]
    views = [view for view in views if view.startswith("experiment tumours")]
    assert len(views) == 2
    assert all("best loss" in view for view in views)
    pruned, done = re.search(r": (\d+) pruned, (\d+) done$", views[0], re.MULTILINE).groups()
    assert min(int(pruned), int(done)) > 0
    # The view is live: it may have the job of a later cell, too.
    assert int(pruned) + int(done) in (12, 13)
    assert_cards_tell_the_end(notebook)


@pytest.mark.docs
def test_the_lesson_serves_its_best_model() -> None:
    notebook = executed("06_serving.ipynb")
    assert ends(notebook) == all_but("asked weighed managed again", squared="ERRORED")
    assert "experiment digits (GridSearch): 4 done" in view(notebook, "experiment digits")
    text = printed(notebook)
    assert re.search(r"accuracy on unseen images: 0\.9\d", text)
    assert "[StatusCode.INVALID_ARGUMENT] the tensor must have the shape [rows, 64]" in text
    assert "runs code that is in it" in text
    assert "4 files\n0 files\n" in text
    asked, weighed, managed = (view(notebook, f"job {n}:") for n in ("asked", "weighed", "managed"))
    # The kernel itself has not loaded gRPC.
    assert "[fork]" in asked
    assert "ready: True" in asked
    assert "StatusCode.UNAUTHENTICATED" in weighed
    assert managed.count("kB while it was loaded") == 4
    assert "still ready: False" in managed
    assert value_of(notebook, "again.result(), int(predicted[0])") == "(8, 8)"
    shares = ast.literal_eval(value_of(notebook, "agreed")).values()
    assert max(shares) == "1.000" > min(shares)
    assert "requests 4" in view(notebook, "server digits: stopped")
    assert "errors 1" in view(notebook, "server digits: stopped")
    assert view(notebook, "server ink: stopped")
    assert view(notebook, "server from_elsewhere: failed")
    assert_cards_tell_the_end(notebook)


@pytest.mark.docs
def test_the_cells_of_the_lesson_run_on_its_cluster() -> None:
    notebook = executed("07_dask.ipynb")
    completed = "forests depth_2 depth_4 depth_8 matrix at_home"
    failed = {"slow": "CANCELED", "broken": "ERRORED", "lost": "ERRORED"}
    assert ends(notebook) == all_but(completed, **failed)
    text = printed(notebook)
    assert len(re.findall(r"^depth \d: R² 0\.\d+$", text, re.MULTILINE)) == 3
    assert "ValueError - Found input variables with inconsistent numbers of samples" in text
    assert "the result of job 'matrix' is gone" in text
    assert re.search(r"its worker tcp://127\.0\.0\.1:\d+ was lost", view(notebook, "job lost:"))
    forests = view(notebook, "job forests:")
    assert forests.count("trees: R²") == 5
    assert "100 % 5/5" in forests
    assert "scores is in the namespace" in forests
    (html,) = (o["data"]["text/html"] for o in outputs(notebook) if shows(o, "job forests:"))
    assert "on the Dask cluster tcp://127.0.0.1:" in html
    assert "unused" not in html
    assert "[forkserver]" in view(notebook, "job at_home:")
    # Nothing of the engine's but that it starts a worker anew.
    assert "Restarting worker" in text
    assert "Error" not in text.replace("ValueError - ", "")
    assert_cards_tell_the_end(notebook)


def printed(notebook: Any) -> str:
    """What its cells have written, to stdout or stderr."""
    return "".join(output.get("text", "") for output in outputs(notebook))


def view(notebook: Any, begin: str) -> str:
    """The one card whose text begins so."""
    (found,) = (o["data"]["text/plain"] for o in outputs(notebook) if shows(o, begin))
    return found


def shows(output: Any, begin: str) -> bool:
    return output.get("data", {}).get("text/plain", "").startswith(begin)


def value_of(notebook: Any, source: str) -> str:
    """The value of the cell of that source."""
    (cell,) = (cell for cell in notebook.cells if cell.source == source)
    return cell.outputs[-1]["data"]["text/plain"]


def assert_cards_tell_the_end(notebook: Any) -> None:
    """What the rendered documentation shows of them is the last state."""
    cards = [o["data"] for o in outputs(notebook) if CARD in o.get("data", {})]
    assert cards
    assert [card["text/plain"] for card in cards if not card[CARD]["ended"]] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_the_notebook_in_the_repository_has_no_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_its_links_and_pictures_are_there(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [target for target in targets if not (NOTEBOOKS / target).is_file()] == []


@pytest.mark.docs
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_its_page_shows_jobs_as_they_ended(path: Path) -> None:
    page = (PAGES / f"{path.stem}.html").read_text("utf-8")
    assert "</span> completed</span>" in page
    assert "</span> running</span>" not in page
    assert "widget-state" not in page
