"""Whatever is done in whatever order: in the end the file says what became of each job."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.browser import record
from tests.browser.lab import CURRENT, LabPage
from tests.browser.test_record_in_lab import tells
from tests.waiting import until

NAME = "walk.ipynb"
WORKERS = 2
LOAD = f"""%load_ext caikit_nb
%config CaikitJobs.max_workers = {WORKERS}
import pathlib, time"""
# What a job shows is computed, so that it isn't found in the source that its card shows as well.
GATE = """while not pathlib.Path("go-{n}").exists():
    time.sleep(0.02)
"""
BODIES = {
    "value": """print("words", {n} * 111)
f"value {{{n} * 111}}" """,
    "fault": 'raise ValueError(f"fault {{{n} * 111}}")',
    "chart": """for round in range(9):
    caikit_nb.log_metric(loss=1 / (round + 1), n={n})
print("words", {n} * 111)
f"value {{{n} * 111}}" """,
}
SAID = {
    "value": ("completed", "words {}", "value {}"),
    "fault": ("failed", "ValueError", "fault {}"),
    "chart": ("completed", "words {}", "value {}", "a chart"),
}
UNTRUE = ("running", "queued")
STEPS = range(8, 13)
FAST = [1, 2, 3]
SLOW = [seed for seed in range(1, 31) if seed not in FAST]

KEY = f"""([cell, type]) => {{
    const {{outputs}} = {CURRENT}.content.model.cells.get(cell);
    for (let index = 0; index < outputs.length; index++) {{
        const kept = outputs.get(index).data[type];
        if (kept) {{
            return kept.key;
        }}
    }}
    return null;
}}"""
RESTART = f"() => {CURRENT}.sessionContext.restartKernel()"
# Where two windows have saved, JupyterLab asks: who works in this one keeps what is here.
OVERWRITE = """() => new MutationObserver(() => {
    document.querySelector('.jp-Dialog .jp-mod-warn')?.click();
}).observe(document, {childList: true, subtree: true})"""


@dataclass
class Job:
    """What is true of a job.

    Attributes:
        cell: Where its card is.
        kind: What it does.
        waits: Whether it waits for its file.
        key: Its card's.
        is_lost: It had not ended when its kernel did.
        may_be_missing: The page was left just after the card had appeared, before it was saved.
    """

    cell: int
    kind: str
    waits: bool
    key: str = ""
    is_lost: bool = False
    may_be_missing: bool = False

    @property
    def says(self) -> tuple[str, ...]:
        """What its card must say in the end."""
        if self.is_lost:
            return ("ended with the kernel",)
        return tuple(words.format(self.cell * 111) for words in SAID[self.kind])

    @property
    def says_not(self) -> tuple[str, ...]:
        """What would be a lie."""
        return (*UNTRUE, "completed", "failed") if self.is_lost else (*UNTRUE, "ended with")


class Walk:
    """Steps with a notebook, and what is true of its jobs after each.

    Args:
        seed: Chooses them.
        page: Where the notebook is open at first.
        new_page: Makes another window.
    """

    def __init__(self, seed: int, page: LabPage, new_page: Callable[[], LabPage]) -> None:
        self.choose, self.page, self.new_page = random.Random(seed), page, new_page
        self.other: LabPage | None = None
        self.is_open, self.is_loaded = True, False
        self.done: list[str] = []
        self.jobs: list[Job] = []
        self.tables: list[int] = []
        self.cells = self._cells()
        page.open(page.write_notebook(NAME, [LOAD, *self.cells]))

    def _cells(self) -> list[str]:
        """The sources of those that are run one after the other."""
        found, kinds = [], list(BODIES)
        for n in range(1, STEPS.stop):
            (self.page.server.root / f"go-{n}").unlink(missing_ok=True)
            gate = GATE if self.choose.random() < 0.6 else ""
            kind = self.choose.choice(kinds)
            body = (gate + BODIES[kind]).format(n=n)
            found.append(f"%%caikit_job {kind}{n}\n{body}")
        for n in self.choose.sample(range(len(found)), 2):
            found[n] = "%caikit_jobs"
        return found

    def go(self) -> None:
        """Take the steps."""
        for _ in range(self.choose.choice(STEPS)):
            step = self.choose.choice(self._possible())
            self.done.append(step.__name__)
            step()

    def _possible(self) -> list[Callable[[], None]]:
        """What may be done now; what is done more often is there more often."""
        here = [*[self.run_next] * 5, self.reload, self.reload, self.close, self.save]
        steps = [*here, self.restart_in_lab] if self.is_open else [self.open, self.open]
        steps += [self.restart_by_program]
        steps += [self.let_go] * 2 if self._waiting else []
        return [*steps, self.close_other if self.other else self.open_other]

    @property
    def _waiting(self) -> list[Job]:
        return [job for job in self.jobs if job.waits and not job.is_lost]

    def run_next(self) -> None:
        """Run the next cell: it submits a job, or shows the table."""
        self.page.wait_idle()
        if not self.is_loaded:
            self._run(0)
            self.is_loaded = True
        cell = len(self.jobs) + len(self.tables) + 1
        source = self.cells[cell - 1]
        self.done.append(source.splitlines()[0] + (" waits" if "go-" in source else ""))
        self._run(cell)
        self.page.cell_output(cell).locator(".jp-caikit-Card").wait_for()
        if source == "%caikit_jobs":
            self.tables.append(cell)
            return
        kind = re.sub(r"[^a-z]", "", source.splitlines()[0].removeprefix("%%caikit_job"))
        key = self.page.page.evaluate(KEY, [cell, KEPT_VIEW])
        self.jobs.append(Job(cell, kind, "go-" in source, key))

    def _run(self, cell: int) -> None:
        self.page.run_cell(cell)
        self.page.wait_idle()

    def reload(self) -> None:
        self._leave()
        self.page.reload()

    def close(self) -> None:
        self._leave()
        self.page.page.goto("about:blank")
        self.is_open = False

    def _leave(self) -> None:
        """Only the last card may not be in the file yet, and only if it has just appeared."""
        jobs = [job for job in self.jobs if not job.may_be_missing]
        if jobs and self._has_just_run:
            last = jobs.pop()
            last.may_be_missing = not self._said(last.cell)
        until(lambda: all(self._said(job.cell) for job in jobs), "the cards in the file")

    @property
    def _has_just_run(self) -> bool:
        """Whether the step before this one has submitted a job."""
        return len(self.done) > 1 and self.done[-2].startswith("%%")

    def open(self) -> None:
        self.page.open(NAME)
        self.is_open = True

    def save(self) -> None:
        self.page.execute("docmanager:save")

    def restart_by_program(self) -> None:
        self._lose()
        server = self.page.server
        server.api(f"kernels/{record.kernel_id(server, NAME)}/restart", method="POST")

    def restart_in_lab(self) -> None:
        self._lose()
        self.page.page.evaluate(RESTART)

    def _lose(self) -> None:
        """What has not ended is lost, once all has ended that can: jobs start in their order."""
        if self.is_open:  # Jupyter loses what it is told while a kernel starts
            self.page.wait_idle()
        before = 0
        for job in [job for job in self.jobs if not job.is_lost]:
            before += job.waits
            job.is_lost = job.waits or before >= WORKERS
            if not job.is_lost:
                until(lambda key=job.key: tells(self.page, key), f"the end of {job}")
        self.is_loaded = False

    def let_go(self) -> None:
        """Let the job end that has waited longest."""
        job = self._waiting[0]
        job.waits = False
        (self.page.server.root / f"go-{job.cell}").touch()

    def open_other(self) -> None:
        self.page.page.add_init_script(f"({OVERWRITE})()")
        self.page.page.evaluate(OVERWRITE)
        self.other = self.new_page()
        self.other.open(NAME)
        self.page.page.bring_to_front()

    def close_other(self) -> None:
        if self.other:
            self.other.page.close()
        self.other = None

    def come_to_the_end(self) -> None:
        """The notebook is open once, and nothing is waited for."""
        self.close_other()
        if not self.is_open:
            self.open()
        while self._waiting:
            self.let_go()
        until(lambda: not self.lies(), "the truth in the file")
        self.save()
        self.page.wait_idle()
        assert not self.lies()
        assert self.page.page.locator(".jp-Dialog").count() == 0

    def lies(self) -> list[str]:
        """What the file says that isn't true, or doesn't say that is."""
        found = []
        for job in self.jobs:
            said = self._said(job.cell)
            if said or not job.may_be_missing:
                found += [f"no {word!r} of {job}" for word in job.says if word not in said]
                found += [f"{word!r} of {job}" for word in job.says_not if word in said]
        for cell in self.tables:
            said = self._said(cell)
            found += [f"{word!r} in table {cell}" for word in UNTRUE if word in said]
        return found

    def _said(self, cell: int) -> str:
        """What a person reads of a cell's card or table in the file."""
        return record.kept(self.page, NAME, cell)


@contextmanager
def _told(walk: Walk) -> Iterator[None]:
    """A failure tells what was done."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"steps: {', '.join(walk.done)}")
        error.add_note(f"not true in the file: {walk.lies()}")
        raise
    finally:
        walk.close_other()


@pytest.mark.parametrize(
    "seed", [*FAST, *(pytest.param(seed, marks=pytest.mark.slow) for seed in SLOW)]
)
def test_the_file_tells_the_truth_after_any_steps(fresh_page, new_page, seed):
    walk = Walk(seed, fresh_page, new_page)
    with _told(walk):
        walk.go()
        walk.come_to_the_end()
