"""Tests that need a process of their own, which is small and quiet: ``@pytest.mark.own_process``.

Each fork copies the tables of all the memory that its process has, and a full collection looks at
all of its objects: in one that has run many other tests a fork takes five times as long. Nor does
such a test depend on what others have left there, such as a thread or a library. A library that
doesn't survive a fork stays in the process where a test has loaded it: tests that are run after
that one, in whatever order, are run so, too.
"""

import os
import subprocess
import sys
import tempfile

import pytest

from caikit_nb.execution import fork_rule

# They load such libraries themselves, and are run last, so that few others need go elsewhere.
LAST = ("tests/backends/test_dask_", "tests/backends/test_ray_", "tests/serving/")

_INSIDE = "CAIKIT_NB_TEST_IN_ITS_OWN_PROCESS"
# Of pytest's plugins the one that the settings in pyproject.toml need.
_QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_COMMAND = ("-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-q", "-m", "")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the test in another pytest, whose output tells how it failed."""
    if not _goes_elsewhere(pyfuncitem):
        return None
    with tempfile.TemporaryDirectory(prefix="caikit-test-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [sys.executable, *_COMMAND, "--basetemp", f"{folder}/t", pyfuncitem.nodeid],
            env={**os.environ, **_QUICK, _INSIDE: "1"},
            cwd=pyfuncitem.config.rootpath,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if "1 skipped" in done.stdout:  # and would pass for a success
        pytest.skip(done.stdout)
    if done.returncode or "1 passed" not in done.stdout:
        pytest.fail(done.stdout, pytrace=False)
    return True


def _goes_elsewhere(item: pytest.Function) -> bool:
    if _INSIDE in os.environ:
        return False
    if item.get_closest_marker("own_process") is not None:
        return True
    return fork_rule._libraries() is not None and not item.nodeid.startswith(LAST)
