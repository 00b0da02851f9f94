"""A program that runs CPython's own tests of ``concurrent.futures`` with `JobExecutor`.

It is run as ``python -m tests.jobs.cpython_futures [TEST…]``, and leaves those tests out, which
may be named by patterns. The tests are a part of CPython's installation. Each one's end is a line
of JSON; the program gives up when one doesn't end.
"""

from __future__ import annotations

import concurrent.futures
import faulthandler
import fnmatch
import importlib
import json
import pkgutil
import sys
import time
import unittest
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from caikit_nb.jobs.executor import JobExecutor

PACKAGE = "test.test_concurrent_futures"
_LONGEST_TEST_S = 600.0
_NOT_OURS = "test_interpreter_pool"


class ThreadJobs(JobExecutor):
    """In the place of ``ThreadPoolExecutor``, whose arguments it takes."""

    def __init__(
        self, max_workers: Any = None, thread_name_prefix: str = "", *more: Any, **named: Any
    ) -> None:
        for name, value in zip(("initializer", "initargs"), more, strict=False):
            named[name] = value
        super().__init__(max_workers, "thread", **named)


class ProcessJobs(JobExecutor):
    """In the place of ``ProcessPoolExecutor``, whose arguments it takes."""

    def __init__(
        self,
        max_workers: Any = None,
        mp_context: Any = None,
        initializer: Any = None,
        initargs: Any = (),
        *,
        max_tasks_per_child: Any = None,  # each job has a process of its own
    ) -> None:
        method = "forkserver" if mp_context is None else mp_context.get_start_method()
        super().__init__(max_workers, method, initializer=initializer, initargs=initargs)

    def terminate_workers(self) -> None:
        """From Python 3.14 on."""
        self.close()

    kill_workers = terminate_workers


def main(left_out: list[str]) -> None:
    """Run all but those."""
    concurrent.futures.ThreadPoolExecutor = ThreadJobs  # type: ignore[misc,assignment]
    concurrent.futures.ProcessPoolExecutor = ProcessJobs  # type: ignore[misc,assignment]
    importlib.import_module("test.support").verbose = False
    _start_our_threads()
    tests = unittest.TestSuite(test for test in _all_tests() if not _is_left_out(test, left_out))
    tests.run(_Told())


def _start_our_threads() -> None:
    """The tests look whether theirs have ended."""
    for method in ("thread", "forkserver"):
        with JobExecutor(1, method) as executor:
            future = executor.submit(int)
            future.add_done_callback(lambda _: None)
            future.result()


def _modules() -> Iterator[ModuleType]:
    package = importlib.import_module(PACKAGE)
    if not hasattr(package, "__path__"):
        yield package
        return
    for found in pkgutil.iter_modules(package.__path__):
        if found.name.startswith("test_") and found.name != _NOT_OURS:
            yield importlib.import_module(f"{PACKAGE}.{found.name}")


def _all_tests() -> Iterator[unittest.TestCase]:
    for module in _modules():
        for kind in vars(module).values():
            if "InterpreterPool" in str(kind):
                continue  # of an executor for which we have no like
            if isinstance(kind, type) and issubclass(kind, unittest.TestCase):
                yield from unittest.defaultTestLoader.loadTestsFromTestCase(kind)  # type: ignore[misc]


def _name(test: unittest.TestCase) -> str:
    return f"{type(test).__name__}.{test._testMethodName}"


def _is_left_out(test: unittest.TestCase, left_out: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(_name(test), pattern) for pattern in left_out)


class _Told(unittest.TestResult):
    """Tells each test's end."""

    def startTest(self, test: Any) -> None:  # noqa: N802 - unittest's names
        super().startTest(test)
        self._began = time.monotonic()
        self._how, self._why = "passed", ""
        _tell(test=_name(test), how="began")
        faulthandler.dump_traceback_later(_LONGEST_TEST_S, exit=True)

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self._how, self._why = "failed", self._exc_info_to_string(err, test)

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self._how, self._why = "skipped", reason

    def stopTest(self, test: Any) -> None:  # noqa: N802
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        took_s = time.monotonic() - self._began
        _tell(test=_name(test), how=self._how, why=self._why[-2000:], took_s=round(took_s, 2))


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
