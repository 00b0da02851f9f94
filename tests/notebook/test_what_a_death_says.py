"""A job's death is told as exactly as the evidence goes, and no further."""

import os
import signal
from html import unescape

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

PROCESSES = ("fork", "forkserver", "spawn")
GUESSES = ("memory", "MemoryError", "OOM", "caikit_nb")

# What a job does to itself; the reason on the card; what `result` raises.
OWN_DEATHS = {
    "segfault": (
        "import ctypes; ctypes.string_at(0)",
        "the job's process was killed by SIGSEGV (signal 11) (it crashed in native code)",
        -11,
    ),
    "abort": (
        "import os; os.abort()",
        "the job's process was killed by SIGABRT (signal 6) (it aborted in native code)",
        -6,
    ),
    "_exit": (
        "import os; os._exit(7)",
        "the job's process exited with code 7 before it gave a result",
        7,
    ),
    "_exit as after a kill": (
        "import os; os._exit(137)",
        "the job's process exited with code 137 before it gave a result",
        137,
    ),
}
FOREIGN_SIGNALS = {
    "SIGKILL": "the job's process was killed by SIGKILL (signal 9) (sender unknown)",
    "SIGTERM": "the job's process was killed by SIGTERM (signal 15) (sender unknown)",
    "SIGUSR1": "the job's process was killed by SIGUSR1 (signal 10) (sender unknown)",
}


def told(kernel: Kernel, name: str) -> tuple[str, str]:
    """What the card of a failed job reads, and what its `result` raises."""
    kernel.value(f"{name}.wait(120)", 180)
    error = kernel.run(f"{name}.result()").error
    return unescape(kernel.card(name).wait_for("failed")), error


def assert_died(kernel: Kernel, name: str, words: str, code: int) -> None:
    """Card, reason and error say these words, and nothing claims to know more."""
    card, error = told(kernel, name)
    assert f">JobDiedError: {words}</div>" in card
    assert error.splitlines()[0] == f"JobDiedError: {words}"
    info = kernel.value(f"[{name}.get_info().reason, {name}.get_info().exit_code]")
    assert info == [f"JobDiedError: {words}", code]
    for guess in GUESSES:
        assert guess not in words
        assert guess not in error.splitlines()[0]
    assert not kernel.value(f"isinstance({name}.exception(), MemoryError)")


@pytest.mark.parametrize("death", OWN_DEATHS)
@pytest.mark.parametrize("method", PROCESSES)
def test_what_a_job_did_to_itself(kernel: Kernel, method: str, death: str) -> None:
    source, words, code = OWN_DEATHS[death]
    kernel.do(f"%%caikit_job dying -m {method}\nprint('last words')\n{source}")
    assert_died(kernel, "dying", words, code)
    error = kernel.run("dying.result()").error
    assert "\nIts last lines:\nlast words" in error


@pytest.mark.parametrize("name", FOREIGN_SIGNALS)
@pytest.mark.parametrize("method", PROCESSES)
def test_what_somebody_else_did_to_a_job(
    kernel: Kernel, gate: Gate, method: str, name: str
) -> None:
    kernel.do(f"%%caikit_job shot -m {method}\nimport os\nprint(os.getpid(), 'pid')\n{gate.wait}")
    kernel.until("'pid' in shot.logs()")
    number = signal.Signals[name]
    os.kill(int(kernel.value("shot.logs()").split()[0]), number)
    assert_died(kernel, "shot", FOREIGN_SIGNALS[name], -number)


@pytest.mark.parametrize("method", PROCESSES)
def test_an_exit_with_a_text_tells_the_text(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job leaving -m {method}\nimport sys\nsys.exit('no data today')")
    card, error = told(kernel, "leaving")
    assert ">SystemExit: no data today</div>" in card
    assert error == "SystemExit: no data today"
    assert kernel.value("1 + 1") == 2


@pytest.mark.parametrize("method", PROCESSES)
def test_an_exit_with_a_number_tells_the_number(kernel: Kernel, method: str) -> None:
    kernel.do(f"%%caikit_job leaving -m {method}\nimport sys\nsys.exit(3)")
    card, error = told(kernel, "leaving")
    assert ">SystemExit: 3</div>" in card
    assert error == "SystemExit: 3"


REWRITE = """%%caikit_job greedy -m fork --memory-limit 100MiB
shared[:] = 2
{wait}
"""


def test_the_end_past_our_own_limit_names_the_limit_and_what_was_seen(
    kernel: Kernel, gate: Gate
) -> None:
    kernel.do("import numpy\nshared = numpy.ones(300 * 2**20, dtype=numpy.uint8)")
    kernel.do(REWRITE.format(wait=gate.wait))
    card, error = told(kernel, "greedy")
    words = "JobOutOfMemoryError: the job was ended past its memory limit of 100 MiB (most seen: "
    assert f">{words}" in card
    assert error.startswith(words)
    seen = int(error.partition("most seen: ")[2].split()[0])
    assert 100 < seen < 1000
    assert error.splitlines()[0].endswith(f"{seen} MiB of its own)")
    assert kernel.value("isinstance(greedy.exception(), MemoryError)")
    kernel.do("del shared")


@pytest.mark.parametrize("method", PROCESSES)
def test_an_allocation_that_is_refused_is_the_jobs_own_error(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job greedy -m {method} --memory-limit 100MiB\n"
        "import numpy\nnumpy.ones(2**30, dtype=numpy.uint8)"
    )
    card, error = told(kernel, "greedy")
    assert "Unable to allocate 1.00 GiB" in card
    assert "Unable to allocate 1.00 GiB" in error
    assert kernel.value("isinstance(greedy.exception(), MemoryError)")


DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STUBBORN = "while True:\n    try: signal.pause()\n    except KeyboardInterrupt: pass"
TIMEOUT_WORDS = "JobTimeoutError: the job ran past its timeout of 0.5 s and was ended"


@pytest.mark.parametrize("way", ["obedient", "deaf"])
@pytest.mark.parametrize("method", PROCESSES)
def test_a_timeout_names_the_limit_however_the_job_ended(
    kernel: Kernel, method: str, way: str
) -> None:
    kernel.do("%config CaikitJobs.cancel_grace_s = 0.2")
    source = DEAF + STUBBORN if way == "deaf" else "import signal\nsignal.pause()"
    kernel.do(f"%%caikit_job slow -m {method} --timeout 0.5s\n{source}")
    card, error = told(kernel, "slow")
    assert f">{TIMEOUT_WORDS}</div>" in card
    assert error == TIMEOUT_WORDS
    assert kernel.value("isinstance(slow.exception(), TimeoutError)")
    kernel.do("%config CaikitJobs.cancel_grace_s = 2.0")
