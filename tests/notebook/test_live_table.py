"""The live table: what it shows, what its buttons do, and what it costs."""

import re
from collections.abc import Callable

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Card, Kernel, Message

PAGE_ROWS = 20
MOST_LIVE = 3
UPDATES_A_S = 5
QUICK = "caikit_nb.options(name={name!r}, start_method='thread').submit(str)"


@pytest.fixture(autouse=True)
def fresh_session(kernel: Kernel) -> None:
    """Each test has a session of its own, so that the table has its jobs only."""
    kernel.do("%reload_ext caikit_nb\n%config CaikitJobs.max_workers = 4")


def show(kernel: Kernel, line: str = "%caikit_jobs", cell_id: str | None = None) -> Card:
    """Run a cell that displays a table."""
    client = kernel.client
    content = {"code": line, "silent": False, "store_history": True, "allow_stdin": True}
    message = client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    client.shell_channel.send(message)
    own = message["header"]["msg_id"]

    def shown() -> list[Message]:
        return [
            seen
            for seen in kernel.seen
            if seen["msg_type"] == "display_data" and seen["parent_header"].get("msg_id") == own
        ]

    kernel.read_until(shown, what="a table")
    return Card(kernel, shown()[0]["content"]["transient"]["display_id"])


def rows(table: Card) -> dict[str, str]:
    """What the table tells of each job, in its order."""
    found = table.html.split('<div role="row" class="caikit-jobs-row">')[1:]
    texts = [re.sub(r"(<[^>]*>)+", "|", row).strip("|").split("|", 1) for row in found]
    return dict(texts)


def wait_for_rows(table: Card, condition: Callable[[dict[str, str]], object]) -> dict[str, str]:
    table._kernel.read_until(lambda: condition(rows(table)), what="other rows")
    return rows(table)


def announcement(table: Card) -> str:
    """The line that says what has ended; "" if there is none."""
    found = re.search('<span role="status" aria-live="polite">(.*)</span>', table.html)
    return re.sub("<[^>]*>", "", found.group(1)) if found else ""


def button_names(table: Card) -> list[str]:
    """What the buttons beside the rows are called, in their order."""
    states = [table._kernel.widgets[model_id] for model_id in table.model_ids]
    return [s["description"] for s in states if "caikit-jobs-icon" in s.get("_dom_classes", ())]


def updates(kernel: Kernel, model_ids: set[str]) -> list[Message]:
    """The updates of these widgets that the kernel has sent so far."""
    return [
        message
        for message in kernel.seen
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] in model_ids
    ]


def span_s(messages: list[Message]) -> float:
    times = [message["header"]["date"] for message in messages]
    return (max(times) - min(times)).total_seconds()


@pytest.mark.parametrize("line", ["%caikit_jobs", "caikit_nb.jobs"])
def test_a_table_shows_jobs_that_come_after_it(kernel: Kernel, gate: Gate, line: str) -> None:
    table = show(kernel, line)
    assert "No jobs yet" in table.html
    kernel.do(f"%%caikit_job later --quiet\n{gate.wait}")
    wait_for_rows(table, lambda shown: "running" in shown.get("later", ""))
    gate.open()
    wait_for_rows(table, lambda shown: "completed" in shown["later"])


def test_the_end_of_a_job_is_announced(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%%caikit_job past --quiet --wait\n1")
    kernel.do(f"%%caikit_job train --quiet\n{gate.wait}")
    table = show(kernel)
    gate.open()
    kernel.read_until(lambda: announcement(table), what="an announcement")
    assert re.fullmatch("✓ train completed after [0-9.]+ m?s", announcement(table))


def test_an_error_is_announced_with_its_reason_and_never_as_markup(kernel: Kernel) -> None:
    table = show(kernel)
    kernel.do("%%caikit_job bad --quiet\nraise ValueError('<i>odd</i>')")
    kernel.read_until(lambda: "bad" in announcement(table), what="an announcement")
    assert re.search(
        "✗ bad failed after .*: ValueError: &lt;i&gt;odd&lt;/i&gt;", announcement(table)
    )
    assert "<i>" not in table.html


def test_a_bar_follows_the_job(kernel: Kernel, gate: Gate) -> None:
    kernel.do(
        "%%caikit_job halfway --quiet\nfor n in caikit_nb.progress(range(4)):\n"
        f"    if n == 3: {gate.wait}"
    )
    table = show(kernel)
    wait_for_rows(table, lambda shown: "75 %" in shown["halfway"])
    assert (
        'aria-label="halfway" aria-valuemin="0" aria-valuemax="100" aria-valuenow="75"'
        in table.html
    )
    gate.open()
    wait_for_rows(table, lambda shown: "100 %" in shown["halfway"])


def test_a_row_has_the_buttons_that_apply(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(QUICK.format(name="ended") + ".result()")
    kernel.do(f"%%caikit_job runs --quiet -m fork\n{gate.wait}")
    kernel.do("%%caikit_job waits --quiet -m fork\n1")
    table = show(kernel)
    assert [*rows(table)] == ["runs", "waits", "ended"]
    assert button_names(table) == [
        *("Interrupt runs", "Cancel runs", "Show runs"),
        *("Cancel waits", "Show waits"),
        "Show ended",
    ]
    kernel.click(table.button("Cancel waits"))
    wait_for_rows(table, lambda shown: "cancelled" in shown["waits"])
    assert "cancelled from the table" in rows(table)["waits"]
    kernel.click(table.button("Interrupt runs"))
    wait_for_rows(table, lambda shown: "KeyboardInterrupt" in shown["runs"])
    # Which of the two comes first depends on which process is gone first.
    kernel.read_until(
        lambda: sorted(button_names(table)) == ["Show ended", "Show runs", "Show waits"],
        what="the buttons of what has ended to go",
    )


def test_a_click_behind_a_long_cell_means_the_job_it_was_aimed_at(
    kernel: Kernel, gates: Callable[[], Gate]
) -> None:
    first, second, cell_gate = gates(), gates(), gates()
    kernel.do(f"%%caikit_job other --quiet -m fork\n{second.wait}")
    kernel.do(f"%%caikit_job aimed_at --quiet -m fork\n{second.wait}")
    kernel.do(f"%%caikit_job above --quiet -m fork\n{first.wait}")
    table = show(kernel)
    assert [*rows(table)] == ["above", "aimed_at", "other"]
    cell = kernel.execute(cell_gate.wait)
    kernel.click(table.button("Cancel aimed_at"))
    first.open()
    wait_for_rows(table, lambda shown: [*shown] == ["aimed_at", "other", "above"])
    cell_gate.open()
    kernel.finish(cell)
    shown = wait_for_rows(table, lambda shown: "cancelled" in shown["aimed_at"])
    assert "running" in shown["other"]


def test_a_card_is_shown_below_the_table_and_hidden_again(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job looked_at --quiet\nprint('a word')\n{gate.wait}")
    table = show(kernel)
    alone = set(table.model_ids)
    kernel.click(table.button("Show looked_at"))
    table.wait_for("a word")
    card = set(table.model_ids) - alone
    kernel.click(table.button("Hide looked_at"))
    kernel.read_until(lambda: "a word" not in table.html, what="the card to go")
    kernel.read_what_is_there()
    before = len(updates(kernel, card))
    gate.open()
    wait_for_rows(table, lambda shown: "completed" in shown["looked_at"])
    kernel.read_what_is_there()
    assert len(updates(kernel, card)) == before, "a hidden card costs nothing"


def test_names_are_sorted_as_people_do(kernel: Kernel) -> None:
    for name in ("run_10", "run_9", "Alpha"):
        kernel.do(QUICK.format(name=name) + ".result()")
    table = show(kernel)
    assert [*rows(table)] == ["Alpha", "run_9", "run_10"]
    kernel.click(table.button("job"))
    table.wait_for('aria-sort="ascending"')
    assert [*rows(table)] == ["Alpha", "run_9", "run_10"]
    kernel.click(table.button("job ▲"))
    wait_for_rows(table, lambda shown: [*shown] == ["run_10", "run_9", "Alpha"])


BUSY = """
for number in range(4):
    @caikit_nb.options(name=f"busy_{number}", start_method="thread").submit
    def busy():
        import time
        for n in caikit_nb.progress(range(300)):
            print(n)
            time.sleep(0.01)
"""
STORM = """
for number in range(200):
    caikit_nb.options(start_method="thread").submit(str)
"""


@pytest.mark.parametrize("source", [BUSY, STORM], ids=["busy", "storm"])
def test_a_table_costs_five_updates_a_second_whatever_happens(kernel: Kernel, source: str) -> None:
    table = show(kernel)
    kernel.read_what_is_there()
    before = kernel.seen[-1]["header"]["date"]
    kernel.do(source)
    kernel.read_until(lambda: is_over(table), what="all jobs to end")
    told = updates(kernel, {*table.model_ids})
    sent = [message for message in told if message["header"]["date"] > before]
    # The rest that a drawing is to be followed by comes after the last one, too.
    assert len(sent) <= UPDATES_A_S * (span_s(sent) + 2)
    assert source is STORM or len(sent) >= 2 * span_s(sent), "and it is live"


def is_over(table: Card) -> bool:
    """Whether it says that all jobs are completed, and as many as there should be."""
    states = [table._kernel.widgets[model_id] for model_id in table.model_ids]
    words = {state.get("description") for state in states}
    return {"all 4", "✓ completed 4"} <= words or {"all 200", "✓ completed 200"} <= words


def seconds_shown(table: Card, least: int) -> int:
    """Wait until the clock of the job `quiet` shows so many seconds; a late one shows more."""
    shown_s = 0

    def is_late_enough(shown: dict[str, str]) -> bool:
        nonlocal shown_s
        found = re.search(r"\b(\d+) s\b", shown["quiet"])
        shown_s = int(found[1]) if found else 0
        return shown_s >= least

    wait_for_rows(table, is_late_enough)
    return shown_s


def test_a_running_jobs_clock_costs_an_update_a_second_and_an_ended_one_nothing(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job quiet --quiet -m fork\n{gate.wait}")
    table = show(kernel)
    first_s = seconds_shown(table, least=1)
    models = set(table.model_ids)
    before = len(updates(kernel, models))
    last_s = seconds_shown(table, least=first_s + 3)
    assert len(updates(kernel, models)) - before <= last_s - first_s + 1
    gate.open()
    wait_for_rows(table, lambda shown: "completed" in shown["quiet"])
    kernel.read_until(lambda: "completed" in table.saved["text/plain"], what="the saved form")
    kernel.do("1")  # who hears only what cells say is told again
    before = len(kernel.seen)
    kernel.do("import threading\nthreading.Event().wait(2)")
    kinds = {message["msg_type"] for message in kernel.seen[before:]}
    assert not {kind for kind in kinds if kind.startswith(("comm", "update", "display"))}


@pytest.mark.timeout(600)
def test_of_a_thousand_jobs_only_a_page_is_drawn(kernel: Kernel) -> None:
    kernel.do(
        "for number in range(1000): caikit_nb.options(start_method='thread').submit(str)\n"
        "%caikit_jobs wait",
        timeout=180,
    )
    kernel.do(
        "from caikit_nb.notebook.table_row import TableRow\n_of, drawn = TableRow.of, []\n"
        "TableRow.of = lambda job, standing: drawn.append(job) or _of(job, standing)"
    )
    before = sum(message["msg_type"] == "comm_open" for message in kernel.seen)
    table = show(kernel)
    kernel.read_what_is_there()
    assert "1–20 of 1000" in table.html
    assert len(rows(table)) == PAGE_ROWS
    opened = sum(message["msg_type"] == "comm_open" for message in kernel.seen) - before
    assert opened <= 80, "widgets for a page, and not for every job"
    first = kernel.value("len(drawn)")
    assert first <= 200 + 2 * PAGE_ROWS, "the saved form has 200 rows"
    kernel.click(table.button("Next page"))
    table.wait_for("21–40 of 1000")
    assert kernel.value("len(drawn)") - first <= 2 * PAGE_ROWS
    kernel.do("TableRow.of = _of")


def test_only_the_newest_tables_are_live(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job seen --quiet\n{gate.wait}")
    tables = [show(kernel) for _ in range(MOST_LIVE + 1)]
    tables[0].wait_for("This table stands still")
    kernel.read_until(lambda: not button_names(tables[0]), what="its buttons to go")
    kernel.read_what_is_there()
    old = set(tables[0].model_ids)
    before = len(updates(kernel, old))
    gate.open()
    for table in tables[1:]:
        wait_for_rows(table, lambda shown: "completed" in shown["seen"])
    kernel.read_until(lambda: "completed" in tables[0].saved["text/html"], 180, "its last state")
    assert "running" not in tables[0].saved["text/plain"]
    wait_for_rows(tables[0], lambda shown: "completed" in shown["seen"])
    assert len(updates(kernel, old)) == before + 1, "nothing but its last state"


def test_a_table_whose_session_has_ended_says_so(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job ended --quiet -m fork\n{gate.wait}")
    table = show(kernel)
    kernel.do("%reload_ext caikit_nb")
    table.wait_for("This table stands still, as its session has ended.")
    assert "ended when caikit_nb was unloaded" in rows(table)["ended"]
    kernel.read_until(lambda: not button_names(table), what="its buttons to go")


def test_a_table_whose_cell_is_run_again_is_taken_away(kernel: Kernel) -> None:
    kernel.do(QUICK.format(name="one") + ".result()")
    first, elsewhere = show(kernel, cell_id="a"), show(kernel, cell_id="b")
    again = show(kernel, cell_id="a")

    def closed() -> set[str]:
        return {m["content"]["comm_id"] for m in kernel.seen if m["msg_type"] == "comm_close"}

    kernel.read_until(lambda: set(first.model_ids) <= closed(), what="the first table to go")
    assert not closed() & {*elsewhere.model_ids, *again.model_ids}


def test_a_copy_of_a_table_that_was_run_again_is_told_the_end(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job copied --quiet -m fork\n{gate.wait}")
    first = show(kernel, cell_id="a")
    show(kernel, cell_id="a")
    kernel.read_until(
        lambda: (
            {m["content"].get("comm_id") for m in kernel.seen if m["msg_type"] == "comm_close"}
            >= set(first.model_ids)
        ),
        what="the first table to go",
    )
    assert "running" in first.saved["text/plain"]
    gate.open()
    kernel.read_until(lambda: "running" not in first.saved["text/plain"], what="its end")
    assert re.search("copied +completed", first.saved["text/plain"])


def test_the_saved_form_is_renewed_once_when_the_last_job_has_ended(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job kept --quiet -m fork\n{gate.wait}")
    kernel.do(QUICK.format(name="other") + ".result()")
    table = show(kernel)
    assert "running" in table.saved["text/plain"]
    gate.open()
    kernel.read_until(lambda: "running" not in table.saved["text/plain"], what="the saved form")
    assert re.search("kept +completed", table.saved["text/plain"])
    assert "<td" in table.saved["text/html"]
    renewed = [
        message
        for message in kernel.seen
        if message["msg_type"] == "update_display_data"
        and message["content"]["transient"]["display_id"] == table.display_id
    ]
    assert len(renewed) == 1
