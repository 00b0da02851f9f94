"""What a job's code logs is in the job's log: once, whole, and nowhere else."""

import re

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

METHODS = ("fork", "forkserver", "spawn", "thread")
SHARING = ("fork", "thread")  # they have the handlers of the kernel
every_method = pytest.mark.parametrize("method", METHODS)
sharing_methods = pytest.mark.parametrize("method", SHARING)

FORGET = """
import logging
logging.captureWarnings(False)
for _logger in (logging.getLogger(), *logging.Logger.manager.loggerDict.values()):
    for _handler in tuple(getattr(_logger, 'handlers', ())):
        if isinstance(_handler, logging.StreamHandler):
            _logger.removeHandler(_handler)
logging.getLogger().setLevel(logging.WARNING)
"""


@pytest.fixture(autouse=True)
def _no_handlers(kernel: Kernel) -> None:
    kernel.do(FORGET)


def log_of(kernel: Kernel, name: str) -> str:
    """All that the job has written; nothing of it is anywhere else."""
    kernel.do(f"{name}.wait(120)", timeout=180)
    kernel.do(f"{name}.result()")
    text: str = kernel.value(f"{name}.logs(raw=True)")
    words = set(re.findall(r"a-word-\w+", text))
    assert not [word for word in words if word in kernel.streams() + kernel.terminal]
    return text


@every_method
def test_an_unconfigured_warning(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job logging_job -m {method}\nimport logging\n"
        f"logging.getLogger('x').warning('a-word-{method}')\nlogging.getLogger('x').info('unseen')"
    )
    assert log_of(kernel, "logging_job") == f"a-word-{method}\n"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_job_that_configures_logging(kernel: Kernel, method: str) -> None:
    kernel.do(
        f"%%caikit_job logging_job -m {method}\nimport logging, warnings\n"
        "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s %(message)s')\n"
        f"logging.captureWarnings(True)\nlogging.getLogger('x').info('a-word-{method}')\n"
        "warnings.warn('a-word-warned')"
    )
    lines = log_of(kernel, "logging_job").splitlines()
    assert lines[0] == f"INFO x a-word-{method}"
    assert lines[1].startswith("WARNING py.warnings ")
    assert lines[1].endswith("UserWarning: a-word-warned")


@sharing_methods
@pytest.mark.parametrize(
    "setup",
    [
        "logging.basicConfig(level=logging.INFO, format='%(message)s')",
        "logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stdout)",
        "logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.__stderr__)",
    ],
)
def test_handlers_of_an_earlier_cell(kernel: Kernel, method: str, setup: str) -> None:
    if "__stderr__" in setup and method == "thread":
        pytest.skip("the terminal's own stream is the terminal's, also in a thread")
    kernel.do(f"import logging, sys\n{setup}")
    kernel.do(
        f"%%caikit_job logging_job -m {method}\n"
        "for n in range(100): logging.getLogger('x').info('a-word-%d', n)"
    )
    assert log_of(kernel, "logging_job") == "".join(f"a-word-{n}\n" for n in range(100))


@sharing_methods
def test_a_handler_of_rich(kernel: Kernel, method: str) -> None:
    kernel.do(
        "import logging\nfrom rich.logging import RichHandler\n"
        "logging.basicConfig(level='INFO', format='%(message)s', handlers=[RichHandler()])"
    )
    kernel.do(
        f"%%caikit_job logging_job -m {method}\nlogging.getLogger('x').info('a-word-rich')\n"
        "from rich.progress import track\n"
        "for n in track(range(2)): logging.getLogger('x').error('a-word-%d', n)"
    )
    text = re.sub(r"\x1b(\[[0-9;]*m|\]8;[^\x1b]*\x1b\\)", "", log_of(kernel, "logging_job"))
    assert [re.findall(r"INFO|ERROR|a-word-\w+", line) for line in text.splitlines()] == [
        ["INFO", "a-word-rich"],
        ["ERROR", "a-word-0"],
        ["ERROR", "a-word-1"],
    ]
    assert kernel.value("[len(logging_job.displays), logging_job.progress[0].n]") == [0, 2]
    kernel.do("logging.getLogger().handlers.clear()")


def test_a_threads_records_and_the_kernels_own_are_kept_apart(kernel: Kernel, gate: Gate) -> None:
    kernel.do("import logging\nlogging.basicConfig(level=logging.INFO, format='%(message)s')")
    kernel.do(
        f"%%caikit_job logging_job -m thread\nlogging.info('a-word-first')\n{gate.wait}\n"
        "logging.info('a-word-last')"
    )
    assert kernel.do("logging.info('the cell')").text == "the cell\n"
    gate.open()
    assert log_of(kernel, "logging_job") == "a-word-first\na-word-last\n"
    assert kernel.do("logging.info('the next cell')").text == "the next cell\n"


def test_a_handler_made_beside_a_thread_is_moved_by_a_fork(kernel: Kernel, gate: Gate) -> None:
    kernel.do(f"%%caikit_job beside -m thread\n{gate.wait}")
    kernel.do("import logging\nlogging.basicConfig(format='%(message)s')")
    gate.open()
    kernel.do("beside.wait(120)")
    kernel.do("%%caikit_job logging_job -m fork\nlogging.warning('a-word-moved')")
    assert log_of(kernel, "logging_job") == "a-word-moved\n"


def test_whoever_kept_a_stream_writes_to_the_job(kernel: Kernel) -> None:
    kernel.do("import sys\nkept = sys.stdout, sys.stderr\nwrite = sys.stdout.write")
    kernel.do(
        "%%caikit_job logging_job -m fork\nfor stream in kept:\n"
        "    print('a-word-kept', file=stream, flush=True)\n"
        "    stream.writelines(['a-word-of-lines\\n'])"
    )
    lines = log_of(kernel, "logging_job").splitlines()  # of two pipes, in no certain order
    assert sorted(lines) == ["a-word-kept"] * 2 + ["a-word-of-lines"] * 2


def test_a_handlers_lock_that_is_held_at_the_fork_hangs_nothing(kernel: Kernel) -> None:
    kernel.do(
        "%config CaikitJobs.allow_unsafe_fork = True\nimport logging, threading\n"
        "logging.basicConfig(format='%(message)s')\n"
        "handler, let_go = logging.getLogger().handlers[0], threading.Event()\n"
        "held = threading.Event()\ndef hold():\n    with handler.lock:\n        held.set()\n"
        "        let_go.wait()\nholder = threading.Thread(target=hold)\nholder.start()\nheld.wait()"
    )
    try:
        kernel.do("%%caikit_job logging_job -m fork\nlogging.warning('a-word-free')")
        assert log_of(kernel, "logging_job") == "a-word-free\n"
    finally:
        kernel.do("let_go.set()\nholder.join()\n%config CaikitJobs.allow_unsafe_fork = False")
