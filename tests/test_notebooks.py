"""The lessons in notebooks/: each is executed, and its jobs end as it says."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("0*.ipynb"))
STATES = "{job.name: job.status.name for job in caikit_nb.jobs.values()}"
CARD = "application/vnd.caikit-nb.card+json"


def executed(name: str, folder: Path) -> Any:
    """The notebook with its outputs; the last one tells how its jobs have ended."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(STATES))
    client = NotebookClient(
        notebook,
        timeout=110,
        resources={"metadata": {"path": str(folder)}},
        # A notice about plain TCP, which on the loopback device is no news.
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    client.execute(env={**os.environ, "CAIKIT_NB_DIR": str(folder / "sessions")})
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def ends(notebook: Any) -> dict[str, str]:
    """How each job has ended, by its name."""
    return ast.literal_eval(notebook.cells[-1].outputs[0]["data"]["text/plain"])


def all_but(completed: str, **others: str) -> dict[str, str]:
    return dict.fromkeys(completed.split(), "COMPLETED") | others


@pytest.mark.timeout(240)
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
def test_jobs_end_as_the_lesson_says(name: str, expected: dict[str, str], tmp_path: Path) -> None:
    notebook = executed(name, tmp_path)
    assert ends(notebook) == expected
    assert_cards_tell_the_end(notebook)


@pytest.mark.timeout(240)
def test_the_search_of_the_lesson_finds_and_prunes(tmp_path: Path) -> None:
    notebook = executed("05_experiments.ipynb", tmp_path)
    found = ends(notebook)
    run = [found[f"tumours_{number}"] for number in range(1, 13)]
    assert set(run) == {"COMPLETED", "PRUNED"}
    assert found["final"] == "COMPLETED"
    text = "".join(output.get("text", "") for output in outputs(notebook))
    assert re.search(r"accuracy on unseen tumours: 0\.9\d", text)
    views = [o["data"]["text/plain"] for o in outputs(notebook) if "data" in o]
    views = [view for view in views if view.startswith("experiment tumours")]
    assert len(views) == 2
    assert all("best loss" in view for view in views)
    assert_cards_tell_the_end(notebook)


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
