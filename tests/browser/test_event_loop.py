"""The browser leaves the test process as it found it."""

import asyncio
import threading

from tests.browser.lab import open_browser


async def answer():
    return 42


def test_asyncio_run_works_once_the_browser_is_closed():
    with open_browser() as browser:
        browser.new_page().goto("data:text/plain,hello")
    assert asyncio.run(answer()) == 42


def test_no_thread_outlives_the_browser():
    before = set(threading.enumerate())
    with open_browser():
        pass
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
    assert set(threading.enumerate()) <= before
