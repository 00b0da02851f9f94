"""What a job writes reaches its log and card: never another cell, never the server's terminal."""

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.sheet import Sheet

METHODS = ("fork", "forkserver", "spawn", "thread")
PROCESSES = ("fork", "forkserver", "spawn")
WAYS = {
    "print": "print('{word}')",
    "stderr": "import sys; print('{word}', file=sys.stderr)",
    "descriptor": "import os; os.write(1, b'{word}\\n')",
    "descriptor of stderr": "import os; os.write(2, b'{word}\\n')",
    "buffered C": "import ctypes; ctypes.CDLL(None).printf(b'{word}\\n')",
    "C without a line's end": "import ctypes; ctypes.CDLL(None).printf(b'{word}')",
    "os.system": "import os; os.system('echo {word}')",
    "subprocess": "import subprocess; subprocess.run(['echo', '{word}'])",
    "original stdout": "import sys; print('{word}', file=sys.__stdout__)",
}


def assert_only_the_job_has(kernel: Kernel, name: str, word: str) -> None:
    """A word reached the job's log and card, and nothing else."""
    kernel.do(f"{name}.wait(120)")
    assert word in kernel.value(f"{name}.logs()")
    kernel.card(name).wait_for(word)
    assert word not in kernel.streams()
    assert word not in kernel.terminal


def word_of(way: str) -> str:
    return f"word-by-{way}".replace(" ", "-").replace("'", "")


@pytest.fixture(scope="module")
def sheet(loaded_kernel: Kernel) -> Sheet:
    written = [source.format(word=word_of(way)) for way, source in WAYS.items()]
    return Sheet(loaded_kernel, "pass", {"writer": "\n" + "\n".join(written) + "\nNone"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", PROCESSES)
def test_every_way_of_writing_reaches_the_job_alone(
    kernel: Kernel, sheet: Sheet, method: str, way: str
) -> None:
    assert_only_the_job_has(kernel, sheet.job("writer", method), word_of(way))


@pytest.mark.parametrize("way", ["print", "stderr"])
def test_prints_of_a_thread_reach_the_job_alone(kernel: Kernel, way: str) -> None:
    kernel.do(f"%%caikit_job writer -m thread\n{WAYS[way].format(word=f'thread-{way}')}\nNone")
    assert_only_the_job_has(kernel, "writer", f"thread-{way}")


@pytest.mark.parametrize("method", METHODS)
def test_output_meanwhile_does_not_land_in_the_running_cell(
    kernel: Kernel, gate: Gate, method: str
) -> None:
    kernel.do(f"%%caikit_job talker -m {method}\n{gate.wait}\nprint('job-word-{method}')")
    cell = kernel.execute("print('cell word')\ntalker.wait(120)\nprint('cell end')")
    gate.open()
    assert kernel.finish(cell).text == "cell word\ncell end\n"
    assert_only_the_job_has(kernel, "talker", f"job-word-{method}")


@pytest.mark.parametrize("method", METHODS)
def test_a_cells_own_prints_do_not_reach_the_job(kernel: Kernel, gate: Gate, method: str) -> None:
    kernel.do(f"%%caikit_job listener -m {method}\n{gate.wait}")
    assert kernel.do("print('only here')").text == "only here\n"
    gate.open()
    assert kernel.value("[listener.wait(120), listener.logs()]") == [True, ""]


def test_two_jobs_keep_their_output_apart(kernel: Kernel) -> None:
    for name in ("left", "right"):
        kernel.do(f"%%caikit_job {name} -m fork\nfor n in range(500): print('{name}', n)")
    for name in ("left", "right"):
        expected = "".join(f"{name} {n}\n" for n in range(500))
        assert kernel.value(f"[{name}.wait(120), {name}.logs()]") == [True, expected]


def test_two_threads_keep_their_output_apart(kernel: Kernel) -> None:
    for name in ("left", "right"):
        kernel.do(f"%%caikit_job {name} -m thread\nfor n in range(500): print('{name}', n)")
    for name in ("left", "right"):
        expected = "".join(f"{name} {n}\n" for n in range(500))
        assert kernel.value(f"[{name}.wait(120), {name}.logs()]") == [True, expected]


def test_after_a_thread_the_kernels_streams_are_as_before(kernel: Kernel, gate: Gate) -> None:
    kernel.do("import sys\nstreams = sys.stdout, sys.stderr")
    kernel.do(f"%%caikit_job passing -m thread\n{gate.wait}")
    assert kernel.do("print('beside it')").text == "beside it\n"
    gate.open()
    assert kernel.value("passing.wait(120)")
    assert kernel.value("streams == (sys.stdout, sys.stderr)")
    assert kernel.do("print('after it')").text == "after it\n"


def test_a_thread_that_ends_within_a_cell_leaves_its_prints_alone(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do(f"%%caikit_job passing -m thread\n{gate.wait}\nprint('inside')")
    cell = kernel.execute("print('before')\npassing.wait(120)\nprint('after')")
    gate.open()
    assert kernel.finish(cell).text == "before\nafter\n"


def test_a_logging_handler_of_the_kernel_writes_to_the_jobs_log(kernel: Kernel) -> None:
    kernel.do(
        "import logging, sys\nlog = logging.getLogger('handled')\nlog.propagate = False\n"
        "log.addHandler(logging.StreamHandler(sys.stderr))"
    )
    kernel.do("%%caikit_job logging_job -m fork\nlog.warning('a-handled-line')")
    assert_only_the_job_has(kernel, "logging_job", "a-handled-line")


@pytest.mark.parametrize("method", PROCESSES)
def test_words_come_in_the_order_they_were_written(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job ordered -m {method}\nimport os, ctypes\nfor n in range(20):\n"
        "    print('python', n)\n    os.system(f'echo shell {n}')\n"
        "    ctypes.CDLL(None).printf(b'native %d\\n', n)"
    )
    expected = "".join(f"python {n}\nshell {n}\nnative {n}\n" for n in range(20))
    assert kernel.value("[ordered.wait(120), ordered.logs()]") == [True, expected]


@pytest.mark.parametrize("method", PROCESSES)
def test_stdin_is_empty(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job reading -m {method}\nimport sys, os\n"
        "[sys.stdin.read(), os.read(0, 9) == b'']"
    )
    assert kernel.value("reading.result(120)") == ["", True]


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_text_and_other_alphabets_are_kept(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job alphabets -m {method} --wait\nprint('žluťoučký 🐎', '\\udcff')")
    assert "žluťoučký 🐎" in kernel.value("alphabets.logs()")
    assert kernel.value("alphabets.status.name") == "COMPLETED"


def test_a_hundred_thousand_lines_arrive_complete(kernel: Kernel) -> None:
    kernel.do("%%caikit_job prolific -m fork\nfor n in range(100_000): print('line', n)")
    kernel.do("prolific.wait(120)\nlines = prolific.logs().splitlines()")
    assert kernel.value("[len(lines), lines[0], lines[-1]]") == [100_000, "line 0", "line 99999"]
    assert kernel.value("prolific.logs(tail=2)") == "line 99998\nline 99999\n"


def test_nothing_has_reached_the_servers_terminal(kernel: Kernel) -> None:
    own = [line for line in kernel.terminal.splitlines() if "IPKernelApp" not in line]
    assert own == []
