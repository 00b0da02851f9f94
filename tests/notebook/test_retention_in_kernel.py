"""A result goes by itself when its time is over, and the card says so."""

import pytest

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
    card.wait_for("The result is gone: it was kept for 1 s")  # nobody calls the kernel meanwhile
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
    kernel.card("brief").wait_for("The result is gone")
    texts = [path.read_bytes() for path in kernel.sessions.rglob("*") if path.is_file()]
    assert not any(b"secret words" in text for text in texts)


def test_the_saved_card_says_that_it_is_gone(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\nprint('secret words')")
    card = kernel.card("brief")
    kernel.read_until(lambda: "The result is gone" in card.saved["text/html"])


@pytest.mark.parametrize("ending", ["1 / 0", "import os; os._exit(1)"])
def test_a_failed_jobs_error_goes_as_well(kernel: Kernel, ending: str) -> None:
    kernel.do(f"%%caikit_job brief --retain 0.2s --wait\n{ending}")
    kernel.card("brief").wait_for("The result is gone")
    assert kernel.run("brief.result()").error.startswith("JobResultExpired")
    assert kernel.value("brief.status.name") == "ERRORED"


def test_a_cancelled_jobs_log_goes_as_well(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s\nprint('words')\nimport signal; signal.pause()")
    kernel.until("brief.logs()")
    kernel.do("brief.cancel()")
    kernel.card("brief").wait_for("The result is gone")
    assert kernel.value("[brief.status.name, brief.logs()]") == ["CANCELED", ""]


def test_its_info_stays(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s --wait\n1")
    kernel.card("brief").wait_for("The result is gone")
    assert kernel.value("[brief.get_info().status.name, brief.name]") == ["COMPLETED", "brief"]


def test_variables_that_came_home_stay(kernel: Kernel) -> None:
    kernel.do("%%caikit_job brief --retain 0.2s -o stayed --wait\nstayed = [1]")
    kernel.card("brief").wait_for("The result is gone")
    assert kernel.value("stayed") == [1]


def test_forever_keeps_a_result(kernel: Kernel) -> None:
    kernel.do("%config CaikitJobs.retention_duration = '0.2s'")
    kernel.do("%%caikit_job lasting --retain forever --wait\n'kept'")
    kernel.do("%%caikit_job brief --wait\n1")
    kernel.card("brief").wait_for("The result is gone")
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
    kernel.card("bulky").wait_for("The result is gone")
    assert kernel.value(resident) - before < 50e6
