"""Shared libraries are looked up anew when one has come."""

import subprocess
import sys

COMES_LATER = """
from caikit_nb.execution import loaded_libraries as module
reads = []
mapped = module._mapped
module._mapped = lambda part: reads.append(part) or mapped(part)
assert module.loaded_libraries("_sqlite3") == []
assert module.loaded_libraries("_sqlite3") == []
assert len(reads) == 1
import sqlite3
assert "_sqlite3" in module.loaded_libraries("_sqlite3")[0]
assert len(reads) == 2
"""


def test_it_knows_a_library_that_came_later_and_reads_no_more_than_it_must() -> None:
    subprocess.run([sys.executable, "-c", COMES_LATER], check=True, timeout=180)
