"""``%caikit_jobs``: the table, and what it does to jobs."""

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")


def test_the_table_of_a_fresh_session_says_how_to_begin(kernel: Kernel) -> None:
    kernel.do("%unload_ext caikit_nb")
    kernel.do("%load_ext caikit_nb")
    cell = kernel.do("%caikit_jobs")
    assert "no jobs yet" in cell.displays[0]["text/plain"]


@pytest.mark.parametrize("line", ["%caikit_jobs", "%caikit_jobs list", "caikit_nb.jobs"])
def test_the_table_lists_jobs_with_their_state(kernel: Kernel, gate: Gate, line: str) -> None:
    kernel.do("%%caikit_job good --wait\n1")
    kernel.do("%%caikit_job bad --wait\n1 / 0")
    kernel.do(f"%%caikit_job busy -m fork\n{gate.wait}")
    table = kernel.do(line).displays[0]
    rows = {row.split()[0]: row for row in table["text/plain"].splitlines()}
    assert "completed" in rows["good"]
    assert "failed" in rows["bad"]
    assert "ZeroDivisionError: division by zero" in rows["bad"]
    assert "running" in rows["busy"]
    assert all(name in table["text/html"] for name in ("good", "bad", "busy"))


def test_the_table_shows_how_far_a_job_is(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        f"%%caikit_job halfway\nfor n in caikit_nb.progress(range(2)):\n    if n: {gate.wait}"
    )
    kernel.until("halfway.progress and halfway.progress[0].n == 1")
    assert "50 %" in kernel.do("%caikit_jobs").displays[0]["text/plain"]


@pytest.mark.parametrize("method", METHODS)
def test_cancel_ends_a_job(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job endless -m {method}\nimport time\nwhile True:\n    time.sleep(0.01)")
    cell = kernel.do("%caikit_jobs cancel endless\nprint(endless.status.name, endless.cancelled())")
    assert cell.text == "CANCELED True\n"
    assert kernel.value("endless.wait(120)")
    assert kernel.value("endless.status.name") == "CANCELED"


def test_cancel_all_ends_every_job(kernel: Kernel) -> None:
    for name in ("one", "two"):
        kernel.do(f"%%caikit_job {name} -m fork\nimport signal\nsignal.pause()")
    kernel.do("%caikit_jobs cancel all")
    assert kernel.value("[one.status.name, two.status.name]") == ["CANCELED", "CANCELED"]


def test_cancelling_a_job_that_has_ended_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job over --wait\n1")
    assert kernel.do("%caikit_jobs cancel over").text == "over had already ended: completed\n"


@pytest.mark.parametrize("method", METHODS)
def test_interrupt_lets_a_job_finish_with_a_result(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job careful -m {method} -o state\nimport time\ntry:\n    print('in it')\n"
        "    while True:\n        time.sleep(0.01)\n"
        "except KeyboardInterrupt:\n    state = 'tidied up'\nstate"
    )
    kernel.until("'in it' in careful.logs()")
    kernel.do("%caikit_jobs interrupt careful")
    assert kernel.value("careful.result(120)") == "tidied up"
    assert kernel.value("careful.status.name") == "COMPLETED"


@pytest.mark.parametrize("method", METHODS)
def test_interrupting_a_job_that_does_not_expect_it_fails_it(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job careless -m {method}\nimport time\nprint('in it')\n"
        "while True:\n    time.sleep(0.01)"
    )
    kernel.until("'in it' in careless.logs()")
    kernel.do("%caikit_jobs interrupt careless")
    assert kernel.value("[careless.wait(120), careless.status.name]") == [True, "ERRORED"]
    assert kernel.value("type(careless.exception()).__name__") == "KeyboardInterrupt"


def test_interrupting_a_job_that_does_not_run_says_so(kernel: Kernel) -> None:
    kernel.do("%%caikit_job over --wait\n1")
    assert kernel.do("%caikit_jobs interrupt over").text == "over is not running: completed\n"


def test_logs_prints_what_a_job_printed(kernel: Kernel) -> None:
    kernel.do("%%caikit_job talker --wait\nprint('one')\nprint('two')")
    assert kernel.do("%caikit_jobs logs talker").text == "one\ntwo\n"


def test_logs_of_several_jobs_say_whose_they_are(kernel: Kernel) -> None:
    kernel.do("%%caikit_job first --wait\nprint('one', end='')")
    kernel.do("%%caikit_job second --wait\nprint('two')")
    text = kernel.do("%caikit_jobs logs first second").text
    assert text.splitlines() == ["--- first", "one", "--- second", "two"]


def test_show_draws_the_card_in_another_cell(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job redrawn\nprint('a word')\n{gate.wait}")
    assert kernel.value("redrawn.status.name") == "RUNNING"
    cell = kernel.do("%caikit_jobs show redrawn")
    assert len(cell.displays) == 1
    kernel.card("redrawn").wait_for("a word")
    gate.open()
    kernel.card("redrawn").wait_for("completed")


def test_show_draws_a_job_that_has_ended(kernel: Kernel) -> None:
    kernel.do("%%caikit_job past --quiet --wait\nprint('a word')")
    saved = kernel.do("%caikit_jobs show past").displays[0]
    assert "completed" in saved["text/plain"]
    assert "a word" in saved["text/html"]


def test_wait_blocks_until_the_named_jobs_have_ended(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job slow\n{gate.wait}")
    cell = kernel.execute("%caikit_jobs wait slow\nprint(slow.status.name)")
    gate.open()
    assert kernel.finish(cell).text == "COMPLETED\n"


def test_wait_without_names_waits_for_all(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%%caikit_job quick\n1")
    kernel.do(f"%%caikit_job slow\n{gate.wait}")
    cell = kernel.execute("%caikit_jobs wait\nprint(quick.status.name, slow.status.name)")
    gate.open()
    assert kernel.finish(cell).text == "COMPLETED COMPLETED\n"


def test_purge_frees_result_and_log(kernel: Kernel) -> None:
    kernel.do("%%caikit_job purged --wait\nprint('words')\n'value'")
    kernel.do("%caikit_jobs purge purged")
    cell = kernel.run("purged.result()")
    assert cell.error.startswith(
        "JobResultExpired: the result of job 'purged' is gone: it was purged"
    )
    assert kernel.value("purged.logs()") == ""
    assert kernel.value("purged.status.name") == "COMPLETED"


def test_purge_without_names_leaves_running_jobs_alone(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%%caikit_job done --wait\n1")
    kernel.do(f"%%caikit_job busy\n{gate.wait}\n2")
    assert kernel.do("%caikit_jobs purge").text == ""
    gate.open()
    assert kernel.value("busy.result(120)") == 2
    assert kernel.run("done.result()").error.startswith("JobResultExpired")


def test_purging_a_running_job_by_name_says_what_to_do(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job busy\n{gate.wait}\n2")
    assert kernel.do("%caikit_jobs purge busy").text == "busy has not ended: cancel it first\n"
    gate.open()
    assert kernel.value("busy.result(120)") == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%caikit_jobs destroy x", ["'destroy'", "cancel", "purge"]),
        ("%caikit_jobs cancel", ["cancel", "name the jobs"]),
        ("%caikit_jobs cancel nobody", ["'nobody'"]),
        ("%caikit_jobs cancel 'nob", ["caikit_jobs"]),
    ],
)
def test_a_wrong_line_is_one_clear_line(kernel: Kernel, line: str, words: list[str]) -> None:
    cell = kernel.run(line)
    assert cell.text.startswith("UsageError: %caikit_jobs")
    assert cell.text.count("\n") == 1
    assert all(word in cell.text for word in words)
