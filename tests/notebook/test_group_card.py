"""One card for the jobs that a cell submits in a loop."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from caikit_nb.notebook.view_bundle import KEPT_VIEW, without_widget
from tests.notebook.gate import Gate
from tests.notebook.kernel import Card, Kernel
from tests.notebook.test_executed_notebook import LOAD, executed
from tests.waiting import until

WORK = """def work(n):
    {wait}
    return [1, 2, 3][n]
"""
LOOP = "futures = [caikit_nb.submit(work, n) for n in range(4)]"


def groups(kernel: Kernel) -> list[Card]:
    """The group cards that were shown, oldest first."""
    return [
        Card(kernel, message["content"]["transient"]["display_id"])
        for message in kernel.seen
        if message["msg_type"] == "display_data" and " jobs: " in text_of(message["content"])
    ]


def text_of(content: dict) -> str:
    return content["data"].get("text/plain", "").partition("\n")[0]


@pytest.fixture
def one_worker(kernel: Kernel) -> Iterator[None]:
    before = kernel.value("get_ipython().run_line_magic('config', 'CaikitJobs.max_workers')")
    kernel.do("%config CaikitJobs.max_workers = 1")
    yield
    kernel.do(f"%config CaikitJobs.max_workers = {before}")


def begin(kernel: Kernel, wait: str = "pass", loop: str = LOOP) -> Card:
    kernel.do(WORK.format(wait=wait))
    kernel.do(loop)
    return groups(kernel)[-1]


@pytest.mark.usefixtures("one_worker")
def test_a_loop_of_submits_shows_one_card(kernel: Kernel, gate: Gate) -> None:
    before = len(groups(kernel))
    card = begin(kernel, gate.wait)
    assert len(groups(kernel)) == before + 1
    card.wait_for("4 jobs: 1 running, 3 queued")
    for done in range(1, 5):
        gate.open()
        card.wait_for(f"{done}/4")
    card.wait_for("4 jobs: 3 completed, 1 failed")
    assert "IndexError: list index out of range" in card.html
    assert " at " in card.html


def test_the_saved_notebook_has_the_end_of_each(kernel: Kernel) -> None:
    card = begin(kernel)
    kernel.read_until(lambda: "failed" in card.saved["text/plain"], 180, "the end is saved")
    text = card.saved["text/plain"]
    assert text.startswith("4 jobs: 3 completed, 1 failed after ")
    assert text.count("completed") == 4
    assert "IndexError: list index out of range" in text
    assert "<details" in card.saved["text/html"]


def test_what_is_saved_while_they_run_says_when(kernel: Kernel, gate: Gate) -> None:
    card = begin(kernel, gate.wait)
    assert "<!--state-->" in card.saved["text/html"]
    assert " at " in card.saved["text/plain"].partition("\n")[0]
    kernel.do("for future in futures: future.cancel()")
    card.wait_for("4 jobs: 4 cancelled")


def test_one_job_alone_has_no_group(kernel: Kernel) -> None:
    before = len(groups(kernel))
    kernel.do("single = caikit_nb.submit(sorted, [2, 1])")
    kernel.do("single.result()")
    assert len(groups(kernel)) == before


def test_a_loop_that_shows_each_job_has_no_group(kernel: Kernel) -> None:
    before = len(groups(kernel))
    kernel.do("for n in range(3): display(caikit_nb.submit(abs, n))")
    assert len(groups(kernel)) == before


def test_jobs_of_threads_and_of_other_cells_have_no_group(kernel: Kernel) -> None:
    before = len(groups(kernel))
    pool = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool:"
    kernel.do(f"{pool}\n    done = list(pool.map(lambda n: caikit_nb.submit(abs, n), range(3)))")
    kernel.do("caikit_nb.submit(abs, 1).result()")
    kernel.do("caikit_nb.submit(abs, 2).result()")
    assert len(groups(kernel)) == before


def test_all_are_cancelled_by_one_click(kernel: Kernel, gate: Gate) -> None:
    card = begin(kernel, gate.wait)
    kernel.click(card.button("Cancel"))
    card.wait_for("4 jobs: 4 cancelled")
    assert not card.shows_button("Cancel")


def test_a_click_shows_each_of_them_and_another_hides_them(kernel: Kernel) -> None:
    card = begin(kernel)
    card.wait_for("1 failed")
    names = kernel.value("[future.name for future in futures]")
    kernel.click(card.button("Jobs"))
    html = card.wait_for("caikit-jobs-row")
    assert all(name in html for name in names)
    kernel.click(card.button("Jobs"))
    kernel.read_until(lambda: "caikit-jobs-row" not in card.html, 180, "the jobs are hidden")


def test_a_longer_loop_is_in_one_card(kernel: Kernel) -> None:
    many = "for n in range(60): caikit_nb.submit(abs, n)"
    card = begin(kernel, loop=many)
    card.wait_for("60 jobs: 60 completed")
    assert "60/60" in card.html


def test_an_executed_notebook_says_what_was_cut_off(tmp_path: Path) -> None:
    sleeper = "import threading\nfor n in range(3): caikit_nb.submit(threading.Event().wait)"
    shown = executed([LOAD, sleeper, "x = 1"], tmp_path)[1]
    assert "3 jobs:" in shown
    assert "when the last cell ended" in shown


def test_an_executed_notebook_has_the_end(tmp_path: Path) -> None:
    loop = "futures = [caikit_nb.submit(abs, n) for n in range(3)]"
    end = "[future.result() for future in futures]"
    shown = executed([LOAD, loop, end], tmp_path)[1]
    assert "3 jobs: 3 completed" in shown


def test_its_end_with_the_kernel_is_none_of_cancelling(
    start_kernel: Callable[..., Kernel], gate: Gate
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb")
    kernel.do(WORK.format(wait=f"if n:\n        {gate.wait}"))
    kernel.do("%config CaikitJobs.max_workers = 2\n" + LOOP)
    kernel.do("futures[0].wait()")
    card = groups(kernel)[-1]
    key = card.saved[KEPT_VIEW]["key"]
    kernel.manager.shutdown_kernel()
    kept = json.loads((kernel.sessions / "views" / f"{key}.json").read_text("utf-8"))
    assert kept["text"].startswith("4 jobs: 1 completed, 3 ended with the kernel after ")


def test_what_is_lost_with_the_kernel_leaves_what_was_known(kernel: Kernel, gate: Gate) -> None:
    card = begin(kernel, f"if n:\n        {gate.wait}")
    card.wait_for("1 completed")
    kernel.do("from caikit_nb.notebook.group_view import kept_view")
    kernel.do("from caikit_nb.notebook.standing import Census")
    kernel.do("queue = caikit_nb.session.current_session().executor.queue")
    kernel.do("now = Census(queue).take([future._job for future in futures])")
    html = kernel.value("kept_view('0' * 12, now, ended=False).html")
    bundle = {"text/html": html, KEPT_VIEW: {"ended": False}}
    shown = without_widget(bundle, "<b>ended with the kernel</b>")["text/html"]
    text = " ".join(re.sub("<[^>]*>", " ", shown).split())
    assert "4 jobs: 1 completed, ended with the kernel" in text
    kernel.do("for future in futures: future.cancel()")


OUTPUTS = """def work(n):
    print("words", n * 111)
    caikit_nb.log_metric(loss=n)
    caikit_nb.log_metric(loss=0.5)
    if n == 3:
        raise ValueError(f"fault {n * 111}")
"""


def outputs(kernel: Kernel, options: str = "") -> Card:
    kernel.do(OUTPUTS)
    kernel.do(f"done = caikit_nb.options({options})")
    kernel.do("futures = [done.submit(work, n) for n in range(1, 4)]")
    card = groups(kernel)[-1]
    kernel.read_until(lambda: "1 failed" in card.saved["text/plain"], 180, "the end is saved")
    return card


def test_the_saved_notebook_has_what_each_has_put_out(kernel: Kernel) -> None:
    html = outputs(kernel).saved["text/html"]
    for words in ("words 111", "words 222", "words 333", "fault 333"):
        assert words in html
    assert html.count("<svg") == 3


def test_retention_leaves_it_there_and_purge_with_output_takes_it(kernel: Kernel) -> None:
    card = outputs(kernel, "retain='0s'")
    kernel.until("all(future._job.expired for future in futures)")
    kernel.do("caikit_nb.submit(abs, 1)")
    assert "words 222" in card.saved["text/html"]
    kernel.do("%caikit_jobs purge --output " + kernel.value("futures[1].name"))
    kernel.read_until(lambda: "words 222" not in card.saved["text/html"], 180, "it is gone")
    assert "words 111" in card.saved["text/html"]


def test_of_very_much_the_first_is_there_and_how_many_are_not(kernel: Kernel) -> None:
    kernel.do("from IPython.display import HTML")
    kernel.do("def work(n): display(HTML(f'<i>{n:06}</i>' + 'x' * 30_000))")
    first = "futures = [caikit_nb.submit(work, n) for n in range(6)]"
    ended = "for future in futures: future._job.ended.wait(120)"
    kernel.do(f"{first}\n{ended}\nfor n in range(6, 10): caikit_nb.submit(work, n)")
    card = groups(kernel)[-1]
    kernel.read_until(lambda: "10 completed" in card.saved["text/plain"], 180, "the end is saved")
    html = card.saved["text/html"]
    assert len(html) < 250_000
    assert all(f"<i>{n:06}</i>" in html for n in range(6))
    assert "<i>000009</i>" not in html
    assert "The outputs of 4 more jobs are not saved here" in html


def test_a_loop_that_waits_for_each_is_open_while_it_goes_on(kernel: Kernel, gate: Gate) -> None:
    """Between two of its jobs the group has ended, and yet it goes on."""
    kernel.do(f"def work(n):\n    if n == 3: {gate.wait}")
    before = len(groups(kernel))
    cell = kernel.execute("for n in range(4): caikit_nb.submit(work, n).result()")
    kernel.read_until(lambda: len(groups(kernel)) > before, 180, "the group")
    card = groups(kernel)[-1]
    card.wait_for("1 running, 3 completed")
    file = kernel.sessions / "views" / f"{card.saved[KEPT_VIEW]['key']}.json"
    until(lambda: "session" in json.loads(file.read_text("utf-8")), "its file says that it lives")
    gate.open()
    kernel.finish(cell)
    until(lambda: "4 completed" in json.loads(file.read_text("utf-8")).get("text", ""), "its end")


def test_a_second_card_of_a_job_is_not_taken_for_one_that_was_run_again(kernel: Kernel) -> None:
    kernel.do("%%caikit_job shown --wait\nimport os\nprint('in', os.getpid(), '.')")
    first = kernel.card("shown")
    kernel.read_until(lambda: first.shows_button("Run again"), 180, "the button")
    kernel.do("earlier = shown")
    kernel.click(first.button("Run again"))
    kernel.read_until(lambda: kernel.value("shown is not earlier"), 180, "the second job")
    kernel.do("shown.wait()\nearlier")
    keys = [display[KEPT_VIEW]["key"] for display in list(kernel.displays.values())[-2:]]
    assert len(set(keys)) == 2
