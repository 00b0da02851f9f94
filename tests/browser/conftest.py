"""Fixtures for tests in a real browser. Without one they are skipped, in one loud line."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import LabPage, LabServer, open_browser, why_no_browser

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="have the browser take pictures")


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


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser for this folder: closed behind it, since it blocks `asyncio.run` while open."""
    with open_browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="package")
def new_page(
    lab_server: LabServer, browser: Any, pytestconfig: pytest.Config
) -> Callable[[], LabPage]:
    """Makes pages that JupyterLab isn't loaded in yet."""
    artifacts = pytestconfig.rootpath / "tests" / ".artifacts"
    takes_pictures = pytestconfig.getoption("--pictures", default=False)
    return lambda: LabPage(lab_server, browser.new_page(), artifacts, takes_pictures=takes_pictures)


@pytest.fixture(scope="package")
def kept_pages() -> list[LabPage]:
    """The page that the next test goes on with, if there is one."""
    return []


@pytest.fixture
def lab_page(
    new_page: Callable[[], LabPage], kept_pages: list[LabPage], request: pytest.FixtureRequest
) -> Iterator[LabPage]:
    """A page in which nothing is open: most often that of the test before, which has loaded."""
    page = kept_pages.pop() if kept_pages else new_page()
    failed_before = request.session.testsfailed
    with _used(page, request):
        yield page
    if request.session.testsfailed > failed_before:  # it may be at fault
        page.page.close()
    else:
        page.tidy_up()
        kept_pages.append(page)


@pytest.fixture
def fresh_page(
    new_page: Callable[[], LabPage], request: pytest.FixtureRequest
) -> Iterator[LabPage]:
    """A page of the test's own."""
    page = new_page()
    with _used(page, request):
        yield page
    page.page.close()


@contextmanager
def _used(page: LabPage, request: pytest.FixtureRequest) -> Iterator[None]:
    """If the test fails, the page's last sight is kept as a screenshot."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        page.screenshot(re.sub(r"\W+", "-", f"failed-{request.node.name}"))
    (page.server.root / "go").unlink(missing_ok=True)
    page.server.shut_down_kernels()
