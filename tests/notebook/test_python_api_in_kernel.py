"""The Python side in a kernel: ``submit``, ``options``, ``background``, and the future."""

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
DEFINITIONS = """
def train(data, epochs=1):
    return [sum(data) * epochs, NAME]
NAME = "notebook"
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_notebooks_function_runs_as_a_job(kernel: Kernel, method: str) -> None:
    kernel.do(DEFINITIONS)
    kernel.do(f"job = caikit_nb.options(start_method={method!r}).submit(train, [1, 2], epochs=3)")
    assert kernel.value("[job.start_method, job.result(120)]") == [method, [9, "notebook"]]


def test_submit_takes_the_settings_start_method(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(sum, [1, 2])")
    assert kernel.value("[job.start_method, job.result(120)]") == ["fork", 3]


def test_options_name_keep_and_bound_a_job(kernel: Kernel) -> None:
    kernel.do(
        "job = caikit_nb.options(name='chosen', retain='2h', timeout='1h', params={'lr': 1})"
        ".submit(lambda: dict(caikit_nb.current_job().params))"
    )
    assert kernel.value("[job.name, job.result(120)]") == ["chosen", {"lr": 1}]
    assert kernel.value("caikit_nb.jobs['chosen'] is job")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("caikit_nb.options(retian='2h')", "TypeError: unknown option 'retian'"),
        ("caikit_nb.options(retain='1x')", "ValueError: "),
        ("caikit_nb.options(timeout='soon')", "ValueError: "),
        ("caikit_nb.options(start_method='frok')", "ValueError: 'frok'"),
        ("caikit_nb.background(retian='2h')", "TypeError: unknown option 'retian'"),
        ("caikit_nb.submit(5)", "TypeError: a job needs a function to call, not int"),
        ("caikit_nb.jobs['nobody']", "KeyError: "),
    ],
)
def test_a_wrong_call_is_refused_at_once(kernel: Kernel, call: str, words: str) -> None:
    assert kernel.run(call).error.startswith(words)


@pytest.mark.parametrize(
    "decorator", ["@caikit_nb.background", "@caikit_nb.background(retain='1h')"]
)
def test_every_call_of_a_background_function_is_a_job(kernel: Kernel, decorator: str) -> None:
    kernel.do(f"{decorator}\ndef add(a, b=1):\n    'Adds.'\n    return a + b")
    kernel.do("first, second = add(1), add(2, b=3)")
    assert kernel.value("[first.result(120), second.result(120), add.__name__, add.__doc__]") == [
        2, 5, "add", "Adds.",
    ]  # fmt: skip


def test_a_future_as_the_value_of_a_cell_shows_its_card(kernel: Kernel) -> None:
    cell = kernel.do("shown = caikit_nb.options(name='shown').submit(sum, [1, 2])\nshown")
    assert len(cell.displays) == 1
    assert "3" in kernel.do("shown.result()").displays[0]["text/plain"]
    kernel.card("shown").wait_for("completed")


def test_the_session_knows_its_jobs_by_name_and_id(kernel: Kernel) -> None:
    kernel.do("known = caikit_nb.options(name='known').submit(sum, [1])")
    assert kernel.value("caikit_nb.jobs['known'] is caikit_nb.jobs[known.id] is known")
    assert kernel.value("'known' in caikit_nb.jobs and 'unknown' not in caikit_nb.jobs")
    assert kernel.value("len(caikit_nb.jobs) == len(list(caikit_nb.jobs))")


FUTURE = "from concurrent import futures\nimport asyncio\n"


def test_it_is_a_real_future(kernel: Kernel) -> None:
    kernel.do(FUTURE + "job = caikit_nb.submit(sum, [1, 2])")
    assert kernel.value("isinstance(job, futures.Future)")
    assert kernel.value("job.result(timeout=120)") == 3
    assert kernel.value("[job.done(), job.running(), job.cancelled()]") == [True, False, False]


def test_as_completed_and_wait_take_it(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        FUTURE + f"slow = caikit_nb.submit(lambda: {gate.wait})\nquick = caikit_nb.submit(sum, [1])"
    )
    assert kernel.value("next(futures.as_completed([slow, quick], 120)) is quick")
    assert kernel.value("futures.wait([slow, quick], 0).not_done == {slow}")
    gate.open()
    assert kernel.value("futures.wait([slow, quick], 120).done == {slow, quick}")


def test_it_can_be_awaited(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(sum, [1, 2])")
    assert kernel.do("print(await job)").text == "3\n"


def test_awaiting_a_job_that_failed_raises_its_error(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(lambda: 1 / 0)")
    assert kernel.run("await job").error == "ZeroDivisionError: division by zero"


def test_giving_up_an_await_does_not_end_the_job(kernel: Kernel, gate: Gate) -> None:
    kernel.do(FUTURE + f"job = caikit_nb.submit(lambda: {gate.wait} or 'done')")
    assert kernel.run("await asyncio.wait_for(job, 0.01)").error.startswith("TimeoutError")
    gate.open()
    assert kernel.value("job.result(120)") == "done"


def test_asyncio_can_wrap_it(kernel: Kernel) -> None:
    kernel.do(FUTURE + "job = caikit_nb.submit(sum, [1, 2])")
    assert kernel.do("print(await asyncio.wrap_future(job))").text == "3\n"


def test_callbacks_run_when_it_has_ended(kernel: Kernel) -> None:
    kernel.do(
        "import threading\nheard = []\nevent = threading.Event()\n"
        "job = caikit_nb.submit(sum, [1, 2])\n"
        "job.add_done_callback(lambda f: (heard.append(f.result()), event.set()))"
    )
    assert kernel.value("[event.wait(120), heard]") == [True, [3]]


def test_a_callback_that_raises_hurts_nobody(kernel: Kernel) -> None:
    kernel.do(
        "import threading\nevent = threading.Event()\njob = caikit_nb.submit(sum, [1, 2])\n"
        "job.add_done_callback(lambda f: 1 / 0)\njob.add_done_callback(lambda f: event.set())"
    )
    assert kernel.value("[event.wait(120), job.result(120)]") == [True, 3]
    assert kernel.value("caikit_nb.submit(sum, [4]).result(120)") == 4


def test_a_result_that_takes_longer_than_the_timeout_is_a_timeout(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"job = caikit_nb.submit(lambda: {gate.wait})")
    assert kernel.run("job.result(timeout=0.01)").error.startswith("TimeoutError")
    assert kernel.value("[job.wait(timeout=0.01), job.status.name]") == [False, "RUNNING"]


def test_the_result_of_a_cancelled_job_is_a_cancelled_error(kernel: Kernel) -> None:
    kernel.do("import signal\njob = caikit_nb.submit(signal.pause)\njob.cancel()")
    assert kernel.run("job.result()").error.startswith("CancelledError")
    assert kernel.value("[job.cancelled(), job.status.name, job.status.is_terminal]") == [
        True, "CANCELED", True,
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_error_of_a_job_keeps_type_text_and_cause(kernel: Kernel, method: str) -> None:
    kernel.do(
        "class OwnError(Exception):\n    pass\n"
        "def fail():\n    try:\n        {}['key']\n    except KeyError as error:\n"
        "        raise OwnError('told', 5) from error"
    )
    kernel.do(f"job = caikit_nb.options(start_method={method!r}).submit(fail)")
    kernel.do("error = job.exception(120)")
    assert kernel.value("[type(error) is OwnError, list(error.args)]") == [True, ["told", 5]]
    traceback = kernel.run("job.result()").traceback
    assert "KeyError" in traceback
    assert "OwnError" in traceback


@pytest.mark.parametrize("method", METHODS)
def test_its_info_says_when_and_how(kernel: Kernel, method: str) -> None:
    kernel.do(f"job = caikit_nb.options(start_method={method!r}).submit(sum, [1])\njob.result(120)")
    kernel.do("info = job.get_info()")
    assert kernel.value("[info.status.name, info.errors, info.attempt]") == ["COMPLETED", None, 1]
    assert kernel.value("info.submission_time <= info.start_time <= info.completion_time")
    assert kernel.value("info.completion_time == job.completion_time")
    assert kernel.value("info.completion_time.utcoffset().total_seconds()") == 0


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_its_info_says_what_the_process_used(kernel: Kernel, method: str) -> None:
    kernel.do(f"job = caikit_nb.options(start_method={method!r}).submit(sum, range(10_000_000))")
    kernel.do("job.result(120)\ninfo = job.get_info()")
    assert kernel.value("info.exit_code") == 0
    assert kernel.value("info.cpu_time_s > 0.01")


def test_the_info_of_a_failed_job_holds_its_error(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(lambda: 1 / 0)\njob.wait(120)\ninfo = job.get_info()")
    assert kernel.value("[info.status.name, len(info.errors), info.reason]") == [
        "ERRORED", 1, "ZeroDivisionError: division by zero",
    ]  # fmt: skip
    assert kernel.value("type(info.errors[0]).__name__") == "ZeroDivisionError"


def test_outputs_holds_variables_that_were_not_assigned(kernel: Kernel) -> None:
    kernel.do("mine = 'before'")
    kernel.do("%%caikit_job bringing -o mine\nmine = 'from the job'")
    kernel.do("mine = 'rebound'\nbringing.wait(120)")
    kernel.do("pass")
    assert kernel.value("[mine, dict(bringing.outputs)]") == ["rebound", {"mine": "from the job"}]


@pytest.mark.parametrize("method", METHODS)
def test_inside_a_job_metrics_and_progress_reach_the_future(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job measured -m {method} --wait\nimport caikit_nb\n"
        "for n in caikit_nb.progress(range(4), desc='epochs'):\n"
        "    caikit_nb.log_metric(loss=1 / (n + 1))\ncaikit_nb.log_metric(step=9, accuracy=0.5)"
    )
    assert kernel.value("dict(measured.metrics)") == {
        "loss": [[0, 1], [1, 0.5], [2, 1 / 3], [3, 0.25]],
        "accuracy": [[9, 0.5]],
    }
    assert kernel.value("[[b.desc, b.n, b.total] for b in measured.progress]") == [["epochs", 4, 4]]


def test_metrics_become_a_data_frame(kernel: Kernel) -> None:
    kernel.do("%%caikit_job framed --wait\nimport caikit_nb\ncaikit_nb.log_metric(loss=2.0)")
    frame = kernel.value("framed.metrics.to_pandas().to_dict('records')")
    assert frame == [{"metric": "loss", "step": 0, "value": 2.0}]


def test_outside_a_job_nobody_is_the_current_job(kernel: Kernel) -> None:
    assert kernel.value("caikit_nb.current_job()") is None


def test_outside_a_job_metrics_have_no_effect(kernel: Kernel) -> None:
    assert kernel.do("caikit_nb.log_metric(loss=1.0)").text == ""


def test_outside_a_job_progress_is_tqdm(kernel: Kernel) -> None:
    cell = kernel.do("print([n for n in caikit_nb.progress(range(3), desc='here')])")
    assert "[0, 1, 2]" in cell.text
    assert "3/3" in cell.text or any("here" in str(data) for data in cell.displays)


@pytest.mark.parametrize("method", METHODS)
def test_an_executor_maps_over_jobs(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"with caikit_nb.JobExecutor(max_workers=2, start_method={method!r}) as executor:\n"
        "    squares = list(executor.map(pow, [1, 2, 3], [2, 2, 2], timeout=180))"
    )
    assert kernel.value("squares") == [1, 4, 9]


def test_leaving_an_executor_waits_for_its_jobs(kernel: Kernel) -> None:
    kernel.do(
        "with caikit_nb.JobExecutor(max_workers=1) as executor:\n"
        "    futures = [executor.submit(sum, [n]) for n in range(3)]\n"
        "states = [f.status.name for f in futures]"
    )
    assert kernel.value("states") == ["COMPLETED"] * 3
    assert kernel.run("executor.submit(sum, [1])").error.startswith("RuntimeError")


def test_the_results_class_survives_being_asked_twice(kernel: Kernel) -> None:
    kernel.do("job = caikit_nb.submit(list, 'ab')")
    assert kernel.value("job.result(120) is job.result()")
