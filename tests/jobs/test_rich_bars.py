"""rich inside a job draws on the job's card and prints to the job's log."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import Any

import pytest
import rich.console
from rich.progress import Progress, track

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.progress import Bar
from tests.fifo import Fifo
from tests.jobs.bar_jobs import every_method, facts, run, start
from tests.waiting import until

console = rich.console.Console()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def tracked() -> int:
    return sum(track(range(5), description="[bold red]tracked[/]"))


def several() -> None:
    with Progress() as progress:
        known = progress.add_task("known", total=4)
        unknown = progress.add_task("unknown", total=None)
        hidden = progress.add_task("hidden", visible=False)
        gone = progress.add_task("gone", total=2)
        for task in (known, unknown, hidden, gone):
            progress.advance(task, 2)
        progress.remove_task(gone)


def transient() -> None:
    with Progress(transient=True) as progress:
        progress.update(progress.add_task("passing", total=3), completed=3)


def disabled() -> None:
    with Progress(disable=True) as progress:
        progress.advance(progress.add_task("silent"))


def started_by_hand() -> None:
    progress = Progress(auto_refresh=False)
    progress.start()
    progress.update(progress.add_task("by hand", total=2), advance=1, refresh=True)
    progress.stop()


def reading() -> int:
    from rich.progress import wrap_file

    with wrap_file(io.BytesIO(b"x" * 5000), total=5000, description="reading") as file:
        return len(file.read())


def with_columns() -> None:
    from rich.progress import BarColumn, DownloadColumn, ProgressColumn, TextColumn
    from rich.text import Text

    class Mood(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text("confident" if task.completed > 1 else "anxious", style="red")

    columns = (
        "[blue]{task.description}",
        BarColumn(),
        "•",
        DownloadColumn(),
        TextColumn("[i]loss {task.fields[loss]:.2f}"),
        Mood(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("custom", total=4, loss=1.0)
        progress.update(task, advance=2, loss=0.25)


def printing_within() -> None:
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("worked", total=3)
        for step in range(3):
            progress.console.print(f"step [bold]{step}[/]")
            print("and plainly", step)
            progress.advance(task)


def pretty() -> None:
    rich.print("[green]fine[/] [link=http://localhost]words[/]", {"a": [1, 2]})
    console.print("before the fork", style="bold")
    console.rule("rule")


def spinning() -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    with Console(force_terminal=True).status("thinking"):
        for _ in range(2000):
            pass
    with Live(refresh_per_second=50) as live:
        for row in range(20):
            table = Table("step", "loss")
            table.add_row(str(row), f"{1 / (row + 1):.2f}")
            live.update(table, refresh=True)


def to_a_file_of_its_own() -> str:
    file = io.StringIO()
    with Progress(console=rich.console.Console(file=file)) as progress:
        progress.update(progress.add_task("elsewhere", total=2), completed=2)
    return file.getvalue()


def in_a_dashboard() -> None:
    from rich.live import Live
    from rich.panel import Panel

    progress = Progress()
    task = progress.add_task("in a panel", total=3)
    with Live(Panel(progress), transient=True):
        for _ in range(3):
            progress.advance(task)


def by_tqdm() -> None:
    import warnings

    warnings.simplefilter("error")
    from tqdm.rich import tqdm, trange

    for _ in tqdm(range(3), desc="rich of tqdm", unit="box"):
        pass
    for _ in trange(2, desc="a transient one", leave=False, options={"expand": True}):
        pass


@every_method
def test_tracked_items_are_a_bar(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, tracked)
    assert (future.result(), facts(future)) == (10, [("tracked", 5, 5, True)])
    assert future.logs(raw=True) == ""


@every_method
def test_each_visible_task_is_a_bar(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, several)
    assert facts(future) == [("known", 2, 4, True), ("unknown", 2, None, True)]
    assert future.logs(raw=True) == ""


@every_method
def test_a_console_within_a_progress_keeps_its_text(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, printing_within)
    assert facts(future) == [("worked", 3, 3, True)]
    expected = "".join(f"step {n}\nand plainly {n}\n" for n in range(3))
    assert plain(future.logs(raw=True)) == expected


@every_method
def test_what_is_printed_has_colours_and_no_moves(executor: JobExecutor, method: str) -> None:
    text = run(executor, method, pretty).logs(raw=True)
    assert "\x1b[32mfine\x1b[0m" in text
    assert "\r" not in text
    said = re.sub(r"\x1b\]8;[^\x1b]*\x1b\\", "", plain(text)).splitlines()
    assert said[:2] == ["fine words", "{'a': [1, 2]}"]
    assert said[2] == "before the fork"
    assert "─ rule ─" in said[3]


@every_method
def test_what_moves_is_in_the_log_as_it_ended(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, spinning)
    text = future.logs(raw=True)
    assert "thinking" not in text
    assert [word for word in plain(text).split() if word.isdigit()] == ["19"]
    assert len(text.splitlines()) <= 6
    assert facts(future) == []


@every_method
def test_a_console_with_a_file_of_its_own_stays_what_it_is(
    executor: JobExecutor, method: str
) -> None:
    future = run(executor, method, to_a_file_of_its_own)
    assert "elsewhere" in future.result()
    assert "100%" in future.result()
    assert (facts(future), future.logs()) == ([], "")


@every_method
def test_tqdms_own_way_to_rich_is_a_bar_once(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, by_tqdm)
    assert facts(future) == [("rich of tqdm", 3, 3, True)]
    assert [bar.unit for bar in future.progress] == ["box"]
    assert future.logs(raw=True) == ""


def bars_of(executor: JobExecutor, function: Any) -> list[Bar]:
    future = run(executor, "fork", function)
    assert future.logs(raw=True) == ""
    return future.progress


def test_a_transient_display_leaves_nothing(executor: JobExecutor) -> None:
    assert bars_of(executor, transient) == []


def test_a_disabled_display_is_not_shown(executor: JobExecutor) -> None:
    future = run(executor, "fork", disabled)
    assert future.progress == []
    assert future.logs(raw=True).strip() == ""  # rich 13 ends it by an empty line, as anywhere


def test_a_display_may_be_started_by_hand(executor: JobExecutor) -> None:
    (bar,) = bars_of(executor, started_by_hand)
    assert (bar.desc, bar.n, bar.total) == ("by hand", 1, 2)


def test_a_file_that_is_read_is_a_bar_of_bytes(executor: JobExecutor) -> None:
    (bar,) = bars_of(executor, reading)
    assert (bar.desc, bar.n, bar.total, bar.unit) == ("reading", 5000, 5000, "B")


def test_columns_of_ones_own_are_the_words_behind_the_bar(executor: JobExecutor) -> None:
    (bar,) = bars_of(executor, with_columns)
    assert (bar.desc, bar.n, bar.total, bar.unit) == ("custom", 2, 4, "B")
    assert bar.postfix == "loss 0.25 confident"


def test_a_progress_in_a_display_of_ones_own_is_a_bar(executor: JobExecutor) -> None:
    assert [(bar.desc, bar.n, bar.total) for bar in bars_of(executor, in_a_dashboard)] == [
        ("in a panel", 3, 3)
    ]


def waiting_between_updates(fifo: Fifo) -> None:
    with Progress() as progress:
        task = progress.add_task("slow", total=3)
        progress.update(task, advance=1)
        progress.update(task, advance=1, description="slower")
        fifo.hear()


@pytest.mark.parametrize("method", ["fork", "thread"])
def test_a_slow_step_shows_the_state_before_it(
    executor: JobExecutor, held: Fifo, method: str
) -> None:
    future = start(executor, method, waiting_between_updates, held)
    until(lambda: facts(future) == [("slower", 2, 3, False)])
    held.say()
    assert future.wait(120)


def test_outside_jobs_rich_is_what_it_was() -> None:
    file = io.StringIO()
    with Progress(console=rich.console.Console(file=file, force_terminal=True)) as progress:
        progress.update(progress.add_task("outside", total=2), completed=2)
    assert "outside" in file.getvalue()
    assert "\x1b[" in file.getvalue()
    assert rich.console.Console(force_terminal=True, color_system="auto").is_terminal


def test_rich_is_never_imported_by_us() -> None:
    code = (
        "import json, sys\nfrom caikit_nb.jobs import bar_libraries\nbar_libraries.install()\n"
        "print(json.dumps([n for n in sys.modules if n.partition('.')[0] in ('rich', 'tqdm')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
