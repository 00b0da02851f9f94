"""IPython in a terminal: the same magics, and plain text."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import caikit_nb
from tests.notebook.gate import Gate

ROOT = Path(caikit_nb.__file__).parents[1]
METHODS = ("fork", "forkserver", "spawn", "thread")
COMMAND = [
    *(sys.executable, "-m", "IPython"),
    *("--simple-prompt", "--colors=nocolor", "--no-banner", "--no-confirm-exit"),
]


def _as_in_a_terminal() -> None:
    """Obey what ends a terminal, also where these tests were started with nohup."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """IPython in a pseudo-terminal; a context manager.

    Attributes:
        sessions: Where the sessions of ``caikit_nb`` keep their files.
        shown: All that it has shown so far.
    """

    def __init__(self, home: Path) -> None:
        self.sessions, self.shown = home / "sessions", ""
        self._read_from = 0
        self._prompts = 0
        self._environment = {
            **os.environ,
            "CAIKIT_NB_DIR": str(self.sessions),
            "IPYTHONDIR": str(home / "ipython"),
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
        }

    def __enter__(self) -> "Terminal":
        self._screen, side = pty.openpty()
        self.process = subprocess.Popen(
            COMMAND, stdin=side, stdout=side, stderr=side, env=self._environment,
            start_new_session=True, preexec_fn=_as_in_a_terminal,
        )  # fmt: skip
        os.close(side)
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def write(self, line: str) -> None:
        """Type a line."""
        os.write(self._screen, line.encode() + b"\n")

    def wait_for(self, text: str, timeout: float = 60.0) -> str:
        """Read to a text; returns what came before it."""
        give_up = time.monotonic() + timeout
        while (at := self.shown.find(text, self._read_from)) < 0:
            left = max(0.0, give_up - time.monotonic())
            ready, _, _ = select.select([self._screen], [], [], left)
            assert ready, f"waited {timeout} s for {text!r} in {self.shown[self._read_from :]!r}"
            self.shown += self._read().replace("\r\n", "\n")
        before, self._read_from = self.shown[self._read_from : at], at + len(text)
        return before

    def _read(self) -> str:
        try:
            return os.read(self._screen, 65536).decode()
        except OSError:
            code = self.process.wait(120)
            raise AssertionError(f"it has ended with {code}: {self.shown}") from None

    def answer(self) -> str:
        """Read to the next prompt."""
        self._prompts += 1
        return self.wait_for(f"\nIn [{self._prompts}]: ")

    def do(self, line: str) -> str:
        """Type a line; returns what is shown for it, without the line itself."""
        self.write(line)
        return self.answer().removeprefix(line).strip("\n")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with the extension; all that it has shown is plain text."""
    with Terminal(tmp_path) as opened:
        assert opened.do("%load_ext caikit_nb") == ""
        opened.do("%config CaikitJobs.max_workers = 4")
        yield opened
    for unwanted in ("\x1b", "<div", "<table", "HTML(", "VBox(", "Widget"):
        assert unwanted not in opened.shown


@pytest.mark.parametrize("method", METHODS)
def test_an_expression_is_a_job_and_its_result_comes_back(terminal: Terminal, method: str) -> None:
    assert terminal.do(f"j = %caikit_job -m {method} sum(range(5))") == ""
    assert terminal.do("j.result()").endswith("]: 10")


def test_a_cell_is_a_job_and_its_variables_come_home(terminal: Terminal, gate: Gate) -> None:
    cell = f"total = sum(range(5))\n{gate.wait}\nprint('said in it')\n\n"
    terminal.write(f"%%caikit_job named -o total\n{cell}")
    assert "said in it" not in terminal.answer().partition("job named: ")[2]
    gate.open()
    terminal.do("named.wait(120)")
    assert terminal.do("total, named.outputs['total']").endswith("]: (10, 10)")
    assert terminal.do("named.logs()").endswith("]: 'said in it\\n'")


@pytest.mark.parametrize("line", ["%caikit_jobs", "caikit_nb.jobs"])
def test_the_table_is_text(terminal: Terminal, gate: Gate, line: str) -> None:
    terminal.do("good = %caikit_job --wait 1")
    terminal.do("bad = %caikit_job --wait 1 / 0")
    terminal.do(f"busy = %caikit_job -m fork {gate.wait}")
    rows = {row.split()[0]: row for row in terminal.do(line).splitlines() if row}
    assert "completed" in rows["job_1"]
    assert "failed" in rows["job_2"]
    assert "ZeroDivisionError: division by zero" in rows["job_2"]
    assert "running" in rows["job_3"]
    gate.open()
    terminal.do("busy.result(120)")


def test_the_table_without_jobs_says_how_to_begin(terminal: Terminal) -> None:
    assert "no jobs yet" in terminal.do("%caikit_jobs")


def test_a_job_as_a_value_is_told_in_a_line(terminal: Terminal) -> None:
    terminal.do("j = %caikit_job --wait 6 * 7")
    assert "job job_1: completed after " in terminal.do("j")
    assert "job job_2: " in terminal.do("%caikit_job 1 + 1")


@pytest.mark.parametrize("method", METHODS)
def test_a_failing_job_shows_its_own_error_only(terminal: Terminal, method: str) -> None:
    terminal.do(f"bad = %caikit_job -m {method} 1 / 0")
    shown = terminal.do("bad.result(120)")
    assert shown.endswith("ZeroDivisionError: division by zero")
    assert "> 1 1 / 0" in shown
    assert shown.count("Traceback (most recent call last)") == 1
    assert "caikit_nb" not in shown
    assert "ZeroDivisionError" in terminal.do("bad")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%caikit_job 1 +", "SyntaxError"),
        ("%caikit_jobs cancel nobody", "nobody"),
        ("%caikit_jobs dance", "unknown action 'dance'"),
        ("%caikit_job -m fly 1", "fly"),
    ],
)
def test_wrong_input_is_told_in_a_line(terminal: Terminal, line: str, words: str) -> None:
    shown = terminal.do(line)
    assert words in shown
    assert "UsageError" in shown
    assert "Traceback" not in shown


def test_what_a_job_prints_stays_out_of_the_terminal(terminal: Terminal) -> None:
    terminal.do("said = 'spoken' + ' words'")
    for method in METHODS:
        shown = terminal.do(f"j = %caikit_job -m {method} --wait print(said, flush=True)")
        assert shown == ""
        assert "spoken words" in terminal.do("print(j.logs())")
    assert terminal.shown.count("spoken words") == len(METHODS)


def test_interrupting_a_wait_stops_the_waiting_and_not_the_job(
    terminal: Terminal, gate: Gate
) -> None:
    terminal.do(f"held = %caikit_job -m fork {gate.wait} or 'unharmed'")
    terminal.write("print('now waiting'); held.result()")
    terminal.wait_for("now waiting\n")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in terminal.answer()
    gate.open()
    assert terminal.do("held.result(120)").endswith("]: 'unharmed'")


@pytest.mark.parametrize("ending", ["exit", "SIGHUP", "SIGKILL"])
def test_the_end_of_the_terminal_leaves_no_process(terminal: Terminal, ending: str) -> None:
    for method in ("fork", "forkserver", "spawn"):
        terminal.do("import time")
        terminal.do(f"j = %caikit_job -m {method} print('begun') or time.sleep(600)")
        terminal.do("while 'begun' not in j.logs(): time.sleep(0.01)\n")
    children = psutil.Process(terminal.process.pid).children(recursive=True)
    assert len(children) >= 4
    if ending == "exit":
        terminal.write("exit")
    else:
        terminal.process.send_signal(getattr(signal, ending))
    code = terminal.process.wait(120)
    assert code == (0 if ending == "exit" else -getattr(signal, ending))
    _, alive = psutil.wait_procs(children, timeout=180)
    assert alive == []
    assert list(terminal.sessions.iterdir()) == []


def test_exit_while_jobs_run_says_nothing_of_its_own(terminal: Terminal) -> None:
    terminal.do("import time")
    terminal.do("j = %caikit_job -m fork time.sleep(600)")
    terminal.write("exit")
    terminal.wait_for("exit\n")
    assert terminal.process.wait(120) == 0
    rest = b""
    while select.select([terminal._screen], [], [], 0)[0]:
        try:
            rest += os.read(terminal._screen, 65536)
        except OSError:
            break
    assert rest == b""
