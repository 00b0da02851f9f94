"""The browser leaves the test process as it found it."""

import asyncio
import threading

import pytest

from tests.browser.lab import open_browser

pytestmark = pytest.mark.slow


async def answer():
    return 42


def test_asyncio_run_works_once_the_browser_is_closed(tmp_path):
    with open_browser(tmp_path) as browser:
        browser.new_page().goto("data:text/plain,hello")
    assert asyncio.run(answer()) == 42


def test_no_thread_outlives_the_browser(tmp_path):
    before = set(threading.enumerate())
    with open_browser(tmp_path):
        pass
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
    assert set(threading.enumerate()) <= before
