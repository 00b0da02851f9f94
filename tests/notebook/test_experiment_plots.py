"""The plots of an experiment, drawn in their own process."""

import math
import os
import re
import select
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from caikit_nb.experiments import ExperimentDB, Job, ManualSearch
from caikit_nb.experiments.picture import Picture
from caikit_nb.notebook.experiment_parts import view_html
from caikit_nb.notebook.experiment_plots import Trials
from caikit_nb.notebook.plotter import Plotter
from tests.lazy import Lazy

nbclient, nbformat = Lazy("nbclient"), Lazy("nbformat")
ODD = {
    "mathematics that is none": ({"$\\bad{$": [1, 2], "x": ["$\\frac$", "$"]}, [1, 2]),
    "another writing": ({"学习率": [1, 2], "ünï": [0.1, 0.2]}, [1, 2]),
    "no text": ({"a\x00\x01": [1, 2], "\ud800": ["\ud800", "<&>"]}, [1, 2]),
    "infinite": ({"x": [1, math.inf, -math.inf, math.nan]}, [1, 2, 3, 4]),
    "huge": ({"x": [1e308, -1e308, 10**400, 1]}, [1, 2, 3, 4]),
    "tiny": ({"x": [5e-324, 1e-300, 1e290]}, [5e-324, -5e-324, 1]),
    "of every kind": ({"x": [1, "1", None, [1, {"a": 2}], True]}, [1, 2, 3, 4, 5]),
    "equal results": ({"x": [1, 2, 3]}, [0.5, 0.5, 0.5]),
    "zeros": ({"x": [0, 0.0, -1]}, [0, 0.0, -0.0]),
}


@pytest.fixture(scope="module")
def plotter() -> Iterator[Plotter]:
    drawer = Plotter()
    yield drawer
    drawer.close()


def picture_of(hyperparameters: dict[str, list], results: list, name: str = "m") -> Picture:
    experiment = ManualSearch("odd")
    jobs = [
        Job(f"job{at}", experiment, dict(zip(hyperparameters, values, strict=True)), "DONE")
        for at, values in enumerate(zip(*hyperparameters.values(), strict=True))
    ]
    for job, result in zip(jobs, results, strict=True):
        job.results[name] = result
    return Picture("odd", "ManualSearch", "RUNNING", jobs, name, "max", jobs[0])


@pytest.mark.parametrize("values", ODD.values(), ids=ODD)
def test_what_is_odd_is_drawn_all_the_same(plotter, values):
    plots = plotter.draw(Trials.of(picture_of(*values)))
    assert len(plots) == 2
    for plot in plots:
        assert ElementTree.fromstring(plot.encode()).tag.endswith("svg")


@pytest.mark.parametrize("name", ["$\\q$", "a\x0bb", "\ud800", "<script>", "m" * 1000])
def test_a_result_may_have_any_name(plotter, name):
    plots = plotter.draw(Trials.of(picture_of({"x": [1, 2]}, [1, 2], name)))
    assert [ElementTree.fromstring(plot.encode()).get("role") for plot in plots] == ["img"] * 2
    assert "<script>" not in "".join(plots)


def test_results_that_can_not_be_drawn_are_left_out(plotter):
    results = [math.inf, -math.inf, 1e308, 10**400, 1, 2]
    assert Trials.of(picture_of({"x": list(range(6))}, results)).points == [(5, 1.0), (6, 2.0)]


def test_thousands_of_trials_are_plots_of_a_size_that_a_notebook_can_hold(plotter):
    numbers = list(range(5000))
    results = [math.sin(n) + n / 1000 for n in numbers]
    picture = picture_of({"x": numbers, "y": [n % 7 for n in numbers]}, results)
    plots = plotter.draw(Trials.of(picture))
    assert [len(plot) < 200_000 for plot in plots] == [True, True]


def test_one_trial_is_no_plot(plotter):
    assert plotter.draw(Trials.of(picture_of({"x": [1]}, [1]))) == []


def test_hyperparameters_that_never_vary_have_no_axis(plotter):
    trials = Trials.of(picture_of({"fixed": [1, 1], "x": [1, 2]}, [1, 2]))
    assert list(trials.hyperparameters) == ["x"]
    assert "fixed" not in "".join(plotter.draw(trials))


def test_a_process_that_was_killed_costs_one_picture(plotter, caplog):
    plotter.draw(Trials.of(picture_of({"x": [1, 2]}, [1, 2])))
    plotter._process.kill()
    plotter._process.wait()
    assert plotter.draw(Trials.of(picture_of({"x": [1, 2]}, [1, 3]))) == []
    assert "its process has ended" in caplog.text
    assert len(plotter.draw(Trials.of(picture_of({"x": [1, 2]}, [1, 4])))) == 2


def test_without_matplotlib_the_view_says_what_plots_need(plotter, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    picture = picture_of({"x": [1, 2]}, [1, 2])
    assert plotter.draw(Trials.of(picture)) == []
    shown = view_html(picture, (), plotter.why_none)
    assert "plots need matplotlib: pip install &quot;caikit_nb[experiments]&quot;" in shown


def test_a_file_beside_the_notebook_is_not_taken_for_a_library(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    drawer = Plotter()
    try:
        assert len(drawer.draw(Trials.of(picture_of({"x": [1, 2]}, [1, 2])))) == 2
    finally:
        drawer.close()


RUN = """
import sys
from caikit_nb.experiments import *
db = ExperimentDB("sqlite:///run.sqlite")
search = db.add_experiment(RandomSearch("r", {"x": distributions.Uniform(0, 1)}))
run = search.run(lambda x: {"score": x}, workers=2, jobs=4)
"""


def test_an_executed_notebook_keeps_the_end_of_its_run_with_the_plots(tmp_path):
    cells = ["%load_ext caikit_nb", RUN, "run.wait(); 'matplotlib' in sys.modules"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = nbclient.NotebookClient(
        notebook, resources={"metadata": {"path": tmp_path}}, timeout=180
    )
    client.execute()
    (kept,) = [o["data"]["text/html"] for o in notebook.cells[1].outputs if "data" in o]
    assert "4 done" in re.sub("<[^>]*>", " ", kept)
    assert kept.count("<svg") == 2
    (said,) = notebook.cells[2].outputs
    assert said["data"]["text/plain"] == "False", "the kernel has a matplotlib of its own"


def test_the_drawing_process_ends_with_its_kernel(start_kernel, tmp_path):
    kernel = start_kernel(CAIKIT_NB_EXPERIMENTS=f"sqlite:///{tmp_path / 'e.sqlite'}")
    db = ExperimentDB(f"sqlite:///{tmp_path / 'e.sqlite'}")
    experiment = db.add_experiment(ManualSearch("drawn"))
    for n in range(3):
        experiment.add_job({"x": n}, "DONE", {"m": n})
    db.close()
    kernel.do("%load_ext caikit_nb\nimport psutil")
    kernel.do("%caikit_experiment drawn")
    drawers = (
        "[p.pid for p in psutil.Process().children() if 'plot_process' in ' '.join(p.cmdline())]"
    )
    (pid,) = kernel.value(drawers)
    handle = os.pidfd_open(pid)
    kernel.manager.shutdown_kernel(now=True)
    assert select.select([handle], [], [], 30)[0], "it lives on"
    os.close(handle)
