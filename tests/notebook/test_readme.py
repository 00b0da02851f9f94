"""The README's tour, cell by cell, in a real kernel."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel

README = Path(__file__).parents[2] / "README.md"
# What is named amid the text, in its order, as it is typed after the tour: names and bodies put in.
TYPED = {
    "%config CaikitJobs": "",
    "%config CaikitJobs.max_workers = 4": "",
    "%config CaikitJobs.exit_grace": "",
    "%caikit_jobs show NAME": "%caikit_jobs show train",
    'train.outputs["model"]': "",
    "job.logs()": "",
    "job.logs(raw=True)": "",
    "search.study()": "",
    'search.run(fit, save_path="models", save_with_id=True)': "search.run("
    "lambda **_: {'accuracy': 0.1}, jobs=1, save_path='models', save_with_id=True).wait()",
    "%%caikit_job -e NAME --next": "%%caikit_job one_more -e 'digits with tpe' --next --wait\n"
    "assert caikit_nb.current_job().results == {}\n"
    "caikit_nb.log_metric(**fit(alpha, penalty))",
    "%caikit_experiment NAME": "%caikit_experiment 'digits with tpe'",
    "%caikit_jobs": "",
    "run.wait()": "",
    "caikit_nb.current_job().results": "pass  # it is in one_more",
    'with experiment.next_job() as job: job.results["loss"] = train(**job.hyperparameters)': ""
    "experiment = search\n"
    "with experiment.next_job() as trial: trial.results.update(fit(**trial.hyperparameters))",
    "%config CaikitJobs.experiments": "",
    "ExperimentDB(url)": "ExperimentDB('sqlite:///other.sqlite')",
    "%caikit_serve NAME": "%caikit_serve train",
    "%caikit_serve stop NAME": "%caikit_serve stop train",
    "server.token": "",
    "server.stop()": "",
    "caikit_nb.current_job().save_path": "%%caikit_job saved --save-path models --wait\n"
    "assert caikit_nb.current_job().save_path",
    "%config CaikitJobs.allow_unsafe_fork = True": "",
    '%config CaikitJobs.min_free_memory = "2GB"': "",
    "job.logs(attempt=1)": "",
    "job.seed": "",
    "job.replay()": "assert job.replay().result() == job.result()",
    "%caikit_jobs du": "",
    "%caikit_jobs pin NAME": "%caikit_jobs pin train",
    "job.pin()": "",
    "%load_ext caikit_nb": "",
    "%config CaikitJobs.wait_at_end = True": "",
    'train.made["epoch"]': "assert train.made['epoch'] == 49",
    "%caikit_jobs purge --output NAME": "caikit_nb.submit(len, 'abc', name='shown').wait()\n"
    "%caikit_jobs purge --output shown",
    "rng.spawn(1)[0]": "__import__('numpy').random.default_rng().spawn(1)[0]",
}
# Said of the syntax, or of what other tests have: of a prompt for debugging, of one's own backend,
# and of what a search's job has returned, which for the tour's is no model.
NOT_TYPED = (
    "%%caikit_job",
    "%%caikit_job [NAME] [options]",
    "%caikit_job [options] EXPRESSION",
    "%debug",
    "caikit_nb.backends.backend_types.register_backend_type(Mine)",
    "caikit_nb.serve(search.best())",
    "if caikit_nb.current_job().should_prune(loss, epoch): raise caikit_nb.errors.JobPruned()",
)
TOUR_S = 300
SAID = re.compile(
    r"^(?:%|(?:if |with )?(?:caikit_nb|train|job|search|run|server|experiment)\.\w.*[(\[])"
)


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.timeout(2 * TOUR_S)
def test_every_cell_of_the_tour_runs(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    # The one with caikit runs where caikit is: tests/compat/real_caikit.
    cells = [cell for cell in blocks("python") if "caikit_nb.compat" not in cell]
    assert len(cells) >= 5
    for cell in cells:
        kernel.do(cell, TOUR_S)
    for found in ("search.best()", "ExperimentDB().get_experiment('digits').best('accuracy')"):
        assert kernel.value(f"{found}.results['accuracy']") > 0.5
    assert kernel.value("[len(history), history[-1] == train.result()]") == [50, True]
    for said, typed in TYPED.items():
        kernel.do(typed or said, TOUR_S)
    for name in ("one_more", "saved"):
        assert kernel.value(f"caikit_nb.jobs[{name!r}].status.name") == "COMPLETED"


def test_what_is_named_amid_the_text_is_typed_or_said_to_be_tested_elsewhere() -> None:
    text = re.sub(r"^```.*?^```", "", README.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", text)
    said = [span for span in spans if SAID.match(span)]
    assert len(said) > 20
    known = {*TYPED, *NOT_TYPED}
    assert [span for span in said if span not in known] == []
    assert known - set(spans) == set()


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
