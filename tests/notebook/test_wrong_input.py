"""Wrong input gives one clear line and starts nothing."""

import pytest

from tests.notebook.kernel import Kernel

WRONG = {
    "unknown option": ("--bogus 3", "1", ["--bogus", "--retain"]),
    "unknown short option": ("-z", "1", ["-z"]),
    "abbreviated option": ("--ret 1d", "1", ["--ret"]),
    "duration": ("--retain 1x", "1", ["--retain", "1x", "1d"]),
    "empty duration": ("--retain ''", "1", ["--retain"]),
    "negative duration": ("--retain=-5s", "1", ["--retain", "-5s"]),
    "timeout": ("--timeout soon", "1", ["--timeout", "soon"]),
    "option without value": ("--retain", "1", ["--retain"]),
    "start method": ("-m frok", "1", ["--start-method", "frok", "forkserver"]),
    "name of a function": ("a_function", "1", ["a_function", "function"]),
    "name of a module": ("caikit_nb", "1", ["caikit_nb", "module"]),
    "name of a variable": ("a_number", "1", ["a_number", "int"]),
    "name of a builtin": ("print", "1", ["print"]),
    "no identifier": ("not-a-name", "1", ["not-a-name", "identifier"]),
    "keyword": ("for", "1", ["for", "identifier"]),
    "two names": ("one two", "1", ["two"]),
    "unknown variable": ("-i nowhere", "1", ["--in", "nowhere"]),
    "out that is no name": ("-o 3x", "1", ["--out", "3x"]),
    "empty out": ("-o ''", "1", ["--out"]),
    "parameter": ("-p lr", "1", ["--param", "lr", "NAME=VALUE"]),
    "parameter's name": ("-p 1r=2", "1", ["--param", "1r"]),
    "retries": ("--retries -1", "1", ["--retries", "0 to 100", "-1"]),
    "retries in words": ("--retries two", "1", ["--retries", "0 to 100", "two"]),
    "seed": ("--seed 4294967296", "1", ["--seed", "0 to 4294967295"]),
    "job to follow": ("--after nobody", "1", ["--after", "nobody"]),
    "following itself": ("mine --after mine", "1", ["--after", "mine"]),
    "empty path": ("--save-path ''", "1", ["--save-path", "models/run"]),
    "path on S3": ("--save-path s3://b/k", "1", ["--save-path", "S3"]),
    "id without path": ("--save-with-id", "1", ["--save-with-id", "--save-path PATH"]),
    "open quote": ("-p 'lr=1", "1", ["quotation"]),
    "syntax error": ("", "x = = 1", ["SyntaxError", "line 2", "x = = 1"]),
    "indentation": ("", "if True:\nx = 1", ["line 3", "x = 1"]),
    "open bracket": ("", "print((1)", ["SyntaxError", "line 2"]),
    "return outside": ("", "return 5", ["SyntaxError", "return"]),
}


@pytest.fixture
def counted(kernel: Kernel) -> Kernel:
    """The kernel, with names that a job's name may collide with."""
    kernel.do("def a_function(): pass\na_number = 5\nregistered = caikit_nb.jobs.find_registry()")
    return kernel


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cell_is_one_clear_line(counted: Kernel, case: str) -> None:
    line, body, words = WRONG[case]
    cell = counted.run(f"%%caikit_job {line}\n{body}")
    assert cell.text.startswith("UsageError: %%caikit_job: ")
    assert cell.text.count("\n") == 1
    assert len(cell.text) < 300
    for word in words:
        assert word in cell.text
    assert cell.traceback == ""


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cell_starts_nothing_and_binds_nothing(counted: Kernel, case: str) -> None:
    line, body, _ = WRONG[case]
    before = counted.value("[len(registered.all()), sorted(k for k in globals() if k[0] != '_')]")
    value = counted.value("[repr(a_function), a_number, repr(print)]")
    cell = counted.run(f"%%caikit_job {line}\n{body}")
    after = counted.value("[len(registered.all()), sorted(k for k in globals() if k[0] != '_')]")
    assert after == before
    assert counted.value("[repr(a_function), a_number, repr(print)]") == value
    assert cell.displays == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["expression"]),
        ("-m spawn", ["expression"]),
        ("--bogus f(1)", ["--bogus"]),
        ("--retain 1x f(1)", ["--retain", "1x"]),
        ("f((1)", ["SyntaxError"]),
        ("x = 1 = 2", ["SyntaxError"]),
    ],
)
def test_a_wrong_line_is_one_clear_line(counted: Kernel, line: str, words: list[str]) -> None:
    before = counted.value("len(registered.all())")
    cell = counted.run(f"%caikit_job {line}")
    assert cell.text.startswith(("UsageError: %caikit_job: ", "UsageError: %%caikit_job: "))
    assert cell.text.count("\n") == 1
    for word in words:
        assert word in cell.text
    assert counted.value("len(registered.all())") == before


def test_a_wrong_cell_does_not_stop_the_right_one(counted: Kernel) -> None:
    counted.run("%%caikit_job --bogus\n1")
    counted.do("%%caikit_job fine --wait\n1")
    assert counted.value("fine.result()") == 1


def test_the_help_lists_the_options(counted: Kernel) -> None:
    cell = counted.do("%caikit_job?")
    shown = cell.text + str(cell.displays)
    payload = counted.value("get_ipython().find_cell_magic('caikit_job').__doc__")
    for option in ("--out", "--in", "--start-method", "--param", "--retain", "--timeout", "--wait"):
        assert option in shown + payload
