"""A result goes by itself when its time is over, and the card says so."""

import pytest

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
FETCH = """
import threading
fetched = []
def fetch():
    fetched.extend([brief.result(), brief.logs()])
threading.Thread(target=fetch).start()
"""
MOMENT = "expired = __import__('threading').Event()\n"


@pytest.mark.parametrize("method", METHODS)
def test_a_result_is_freed_by_itself_a_second_after_the_end(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do(
        f"%%caikit_job brief -m {method} --retain 1s -o kept_{method}\n"
        f"print('words')\nkept_{method} = {gate.wait}\n'value'"
    )
    kernel.do(FETCH)
    gate.open()
    kernel.until("fetched")  # by a thread that waits, or a busy machine could be too late for it
    assert kernel.value("fetched") == ["value", "words\n"]
    card = kernel.card("brief")
    card.wait_for("result dropped after 1 s")  # nobody calls the kernel meanwhile
    # By the clock that it goes by, and nobody knows how late a busy machine is.
    kernel.do("import time\nage_s = time.monotonic() - brief._job.times._ended")
    assert 1 <= kernel.value("age_s") < 60
    assert kernel.run("brief.result()").error.startswith(
        "JobResultExpired: the result of job 'brief'"
    )
    assert kernel.run("brief.outputs").error.startswith("JobResultExpired")
    assert kernel.value("brief.logs()") == ""


def test_its_log_file_goes_too(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\nprint('secret words')")
    kernel.card("brief").wait_for("result dropped")
    files = [path for each in kernel.session_directories() for path in each.rglob("*")]
    texts = [path.read_bytes() for path in files if path.is_file()]
    assert not any(b"secret words" in text for text in texts)


def test_the_saved_card_says_that_it_is_gone(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\nprint('secret words')")
    card = kernel.card("brief")
    kernel.read_until(lambda: "result dropped" in card.saved["text/html"])


@pytest.mark.parametrize("ending", ["1 / 0", "import os; os._exit(1)"])
def test_a_failed_jobs_error_goes_as_well(kernel: Kernel, ending: str) -> None:
    kernel.do(f"%%caikit_job brief --retain 0.2s --wait\n{ending}")
    kernel.card("brief").wait_for("result dropped")
    assert kernel.run("brief.result()").error.startswith("JobResultExpired")
    assert kernel.value("brief.status.name") == "ERRORED"


def test_a_cancelled_jobs_log_goes_as_well(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s\nprint('words')\nimport signal; signal.pause()")
    kernel.until("brief.logs()")
    kernel.do("brief.cancel()")
    kernel.card("brief").wait_for("result dropped")
    assert kernel.value("[brief.status.name, brief.logs()]") == ["CANCELED", ""]


def test_its_info_stays(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\n1")
    kernel.card("brief").wait_for("result dropped")
    assert kernel.value("[brief.get_info().status.name, brief.name]") == ["COMPLETED", "brief"]


def test_variables_that_came_home_stay(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s -o stayed --wait\nstayed = [1]")
    kernel.card("brief").wait_for("result dropped")
    assert kernel.value("stayed") == [1]


def test_forever_keeps_a_result(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.retention_duration = '0.2s'")
    kernel.do("%%caikit_job lasting --retain forever --wait\n'kept'")
    kernel.do("%%caikit_job brief --wait\n1")
    kernel.card("brief").wait_for("result dropped")
    assert kernel.value("lasting.result()") == "kept"
    kernel.do("%config CaikitJobs.retention_duration = '1d'")


def test_the_memory_of_a_result_goes_back_to_the_system(kernel: Kernel) -> None:
    resident = "__import__('psutil').Process().memory_info().rss"
    before = kernel.value(resident)
    kernel.do("%%caikit_job bulky --retain 1h --wait\nimport numpy\nnumpy.ones(20_000_000)")
    kernel.do("float(bulky.result().sum());")
    assert kernel.value(resident) - before > 100e6
    kernel.do(
        "import datetime\nbulky._job.end_at(bulky.completion_time - datetime.timedelta(hours=2))"
    )
    kernel.card("bulky").wait_for("result dropped")
    assert kernel.value(resident) - before < 50e6


SPEAKS = (
    "from IPython.display import HTML, display\n"
    "print('first words'); display(HTML('<b>a table</b>')); print('last words')\n"
)


@pytest.mark.parametrize("ending", ["'the value'", "1 / 0"])
def test_what_a_card_has_shown_stays(kernel: Kernel, ending: str) -> None:
    kernel.do(f"%%caikit_job brief --retain 0.2s --wait\n{SPEAKS}{ending}")
    card = kernel.card("brief")
    kernel.read_until(lambda: "result dropped" in card.saved["text/html"])
    shown = "the value" if ending == "'the value'" else "ZeroDivisionError"
    for said in ("first words", "a table", "last words", shown):
        assert said in card.saved["text/html"]
    assert "first words" in card.html
    assert "last words" in card.html
    assert "result dropped after 0.2 s · output kept" in card.wait_for("result dropped")
    assert "first words" in card.saved["text/plain"]
    assert ("Traceback" in card.saved["text/html"]) == (ending == "1 / 0")
    assert card.shows_button("Run again")


def test_it_stays_also_if_it_goes_at_once(kernel: Kernel) -> None:
    """The end and its retention come between two drawings of the card."""
    kernel.do(f"%%caikit_job brief --retain 0s\n{SPEAKS}")
    card = kernel.card("brief")
    card.wait_for("result dropped")
    card.wait_for("last words")
    kernel.read_until(lambda: "last words" in card.saved["text/html"])


def test_who_means_the_output_as_well_says_so(kernel: Kernel) -> None:
    kernel.do(f"%%caikit_job secret --wait\n{SPEAKS}")
    card = kernel.card("secret")
    kernel.do("%caikit_jobs purge secret")
    assert "output kept" in card.wait_for("result dropped by a purge")
    card.wait_for("first words")
    kernel.do("%caikit_jobs purge --output secret")
    kernel.read_until(lambda: "words" not in card.saved["text/html"].partition("<details")[0])
    assert "a table" not in card.saved["text/html"].partition("<details")[0]
    kernel.read_until(lambda: "output kept" not in card.html)
    assert "words" not in card.saved["text/plain"]


def test_the_job_run_again_has_its_own_output(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\nimport os\nprint('in', os.getpid(), '.')")
    card = kernel.card("brief")
    first = card.wait_for("result dropped").partition("in ")[2].partition(" .")[0]
    kernel.click(card.button("Run again"))
    card.wait_for("completed")
    kernel.read_until(
        lambda: (
            "result dropped" in card.html and f"in {first} ." not in card.html and " ." in card.html
        )
    )


def test_the_job_run_again_takes_the_first_ones_place_in_the_saved_notebook(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job twice\nprint('begun')\n{gate.wait}\nprint('over')")
    card = kernel.card("twice")
    gate.open()
    kernel.read_until(lambda: "completed" in card.saved["text/plain"], 180, "the first end")
    before = card.saved[KEPT_VIEW]
    kernel.read_until(lambda: card.shows_button("Run again"), 180, "the button")
    kernel.click(card.button("Run again"))
    kernel.read_until(lambda: "completed" not in card.saved["text/plain"], 180, "the second begins")
    assert card.saved[KEPT_VIEW]["key"] == before["key"]
    assert card.saved[KEPT_VIEW]["jobs"] != before["jobs"]
    assert not card.saved[KEPT_VIEW]["ended"]
    gate.open()
    kernel.read_until(lambda: "completed" in card.saved["text/plain"], 180, "the second end")


@pytest.mark.parametrize(("count", "all_there"), [(310, True), (60_000, False)])
def test_the_log_is_in_the_saved_notebook(kernel: Kernel, count: int, all_there: bool) -> None:
    kernel.do(f"%%caikit_job long --wait\nfor n in range({count}): print('line', n, '.')")
    saved = kernel.card("long").saved["text/html"]
    kernel.read_until(lambda: f"line {count - 1} ." in kernel.card("long").saved["text/html"])
    saved = kernel.card("long").saved["text/html"]
    there = [f"line {n} ." in saved for n in range(count)]
    assert there[0]
    assert there[-1]
    assert all(there) == all_there
    assert len(saved) < 250_000
    assert ("in between are not kept in the notebook" in saved) != all_there
