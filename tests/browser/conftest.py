"""Fixtures for tests in a real browser. Without one they are skipped, in one loud line."""

import fcntl
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import LabPage, LabServer, open_browser, why_no_browser

HERE = Path(__file__).parent
VIEWPORT = {"width": 1280, "height": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = why_no_browser()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum("browser" in getattr(report, "keywords", ()) for report in skipped)
    if count and (missing := why_no_browser()):
        line = f"{count} BROWSER TESTS SKIPPED: {missing}"
        terminalreporter.write_sep("!", line, yellow=True, bold=True)


@pytest.fixture(scope="session")
def labextension(pytestconfig: pytest.Config) -> None:
    """The extension as its sources are now: built if they have changed since."""
    program = pytestconfig.rootpath / "labextension" / "build.py"
    with program.open() as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


@pytest.fixture(scope="session")
def lab_server(labextension: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """One JupyterLab server for the whole run; its kernels run this interpreter."""
    with LabServer(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for one module: closed at its end, since it blocks `asyncio.run` while open."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def lab_page(
    lab_server: LabServer, browser: Any, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[LabPage]:
    """A fresh JupyterLab page. If the test fails, its last sight is kept as a screenshot."""
    context = browser.new_context(viewport=VIEWPORT)
    page = LabPage(lab_server, context.new_page(), pytestconfig.rootpath / "tests" / ".artifacts")
    failed_before = request.session.testsfailed
    try:
        yield page
        if request.session.testsfailed > failed_before:
            page.screenshot(re.sub(r"\W+", "-", f"failed-{request.node.name}"))
    finally:
        (lab_server.root / "go").unlink(missing_ok=True)
        context.close()
        lab_server.shut_down_kernels()
