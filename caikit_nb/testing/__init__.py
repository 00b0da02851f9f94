"""Tests for others to inherit: see `caikit_nb.testing.backend_contract`.

Only tests import this room: it needs pytest, which the package itself does not.
"""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # not so in the processes of tasks, which import this room, too
    import pytest

    # What a failed assertion compared is shown for asserts in these modules, too.
    pytest.register_assert_rewrite("caikit_nb.testing.backend_contract")
