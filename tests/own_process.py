"""Tests that need a process of their own, which is small and quiet: ``@pytest.mark.own_process``.

Each fork copies the tables of all the memory that its process has, and a full collection looks at
all of its objects: in one that has run many other tests a fork takes five times as long. Nor does
such a test depend on what others have left there, such as a thread or a library.
"""

import os
import subprocess
import sys
import tempfile

import pytest

_INSIDE = "CAIKIT_NB_TEST_IN_ITS_OWN_PROCESS"
# Of pytest's plugins the one that the settings in pyproject.toml need.
_QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_COMMAND = ("-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-q", "-m", "")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the test in another pytest, whose output tells how it failed."""
    if _INSIDE in os.environ or pyfuncitem.get_closest_marker("own_process") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="caikit-test-") as folder:
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
    if done.returncode or "1 passed" not in done.stdout:  # a skip would pass for a success
        pytest.fail(done.stdout, pytrace=False)
    return True
