"""The tests as a whole."""

import re
from collections.abc import Callable


def test_a_file_is_run_by_one_process(run_python: Callable[..., str]) -> None:
    """Where that fails nothing else does, but each kernel and page is made several times."""
    files = ("tests/jobs/test_paths.py", "tests/jobs/test_bar_text.py")
    told = run_python("-m", "pytest", "-n2", "--dist=loadfile", "-v", *files)
    ran = set(re.findall(r"\[(gw\d)\] .*? PASSED (\S+?)::", told))
    assert sorted(file for _, file in ran) == sorted(files)
    assert len({worker for worker, _ in ran}) == 2
