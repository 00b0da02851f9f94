"""Imported by the fork server, and by nothing else: makes fresh interpreters start warm.

The server leaves the kernel's process group, so that an interrupt of the kernel reaches neither
it nor a child in its first moments, and it holds a shell ready for its children to copy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import tqdm.notebook  # noqa: F401 - cells use it more often than not

from caikit_nb.notebook import cell_runner  # noqa: F401 - what a child runs
from caikit_nb.notebook.job_shell import NOTEBOOK_SHELL, make_fresh_shell

with contextlib.suppress(PermissionError):
    os.setsid()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets one that came before
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
make_fresh_shell(in_notebook=NOTEBOOK_SHELL in sys.modules)
