"""The documentation is complete: names, errors, pages; and its examples run."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import caikit_nb
from caikit_nb import errors

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "notebooks"
PAGES = SOURCE / "pages"
REFERENCE = PAGES / "reference"
TROUBLESHOOTING = PAGES / "troubleshooting.md"
PAGE_FILES = sorted(path for path in PAGES.rglob("*") if path.suffix in (".md", ".rst"))

DIRECTIVE = re.compile(r"^ *\.\. (?:auto|py:)?(\w+):: ([\w.]+)|^ +:(members):(.*)", re.MULTILINE)
CONTRACT_NAMES = {
    "caikit_nb.jobs.job_base.JobBase",
    "caikit_nb.jobs.job_base.JobFutureBase",
    "caikit_nb.jobs.job_base.JobInfo",
    "caikit_nb.jobs.job_base.JobStatus",
    "caikit_nb.jobs.local_job_base.LocalJobBase",
    "caikit_nb.jobs.local_job_future.LocalJobFuture",
    "caikit_nb.jobs.job_future.JobFuture",
    "caikit_nb.jobs.executor.JobExecutor",
    "caikit_nb.execution.destroyable.Destroyable",
    "caikit_nb.execution.destroyable_thread.DestroyableThread",
    "caikit_nb.execution.destroyable_thread.ThreadDestroyedException",
    "caikit_nb.execution.exception_pickler.ExceptionPickler",
    "caikit_nb.execution.exception_pickler.PickleFailureFallbackException",
    "caikit_nb.testing.backend_contract.BackendContract",
}
MODULES = (
    "caikit_nb",
    "caikit_nb.backends",
    "caikit_nb.backends.backend_types",
    "caikit_nb.backends.base",
    "caikit_nb.execution.destroyable_process",
    "caikit_nb.experiments",
    "caikit_nb.experiments.distributions",
    "caikit_nb.experiments.pbt",
)


def documented() -> set[str]:
    """The full names that the reference has an entry for."""
    names: set[str] = set()
    for page in REFERENCE.glob("*.rst"):
        module = ""
        for kind, name, members, which in DIRECTIVE.findall(page.read_text("utf-8")):
            if kind in ("currentmodule", "module"):
                module = name
            if kind == "module":
                names.add(name)
            elif members:
                listed = which.replace(",", " ").split()
                names |= {f"{module}.{each}" for each in listed or public_names(module)}
            elif kind:
                names.add(name if name.startswith("caikit_nb.") else f"{module}.{name}")
    return names


def public_names(module: str) -> list[str]:
    """What a module has for others."""
    if not module or module == "caikit_nb.compat.caikit":
        return []
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return [name for name in found.__all__ if not name.startswith("_")]
    own = (n for n, value in vars(found).items() if getattr(value, "__module__", "") == module)
    return [name for name in own if not name.startswith("_")]


def home(name: str) -> str:
    """The name where the object is defined: it may be documented under either."""
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value.__name__ if inspect.ismodule(value) else name


def test_every_public_name_is_in_the_reference() -> None:
    public = {f"{module}.{name}" for module in MODULES for name in public_names(module)}
    public |= {f"caikit_nb.errors.{name}" for name in public_names("caikit_nb.errors")}
    entries = documented()
    entries |= {home(name) for name in entries if ".compat." not in name and name in public}
    missing = sorted(name for name in public | CONTRACT_NAMES if not {name, home(name)} & entries)
    assert missing == []


def test_the_bridge_to_caikit_is_in_the_reference() -> None:
    source = (ROOT / "caikit_nb/compat/caikit/__init__.py").read_text("utf-8")
    names = ast.literal_eval(source.partition("__all__ = ")[2])
    assert {f"caikit_nb.compat.caikit.{name}" for name in names} <= documented()


def headings() -> list[str]:
    """The messages and classes that the page of troubles has a heading for."""
    return re.findall(r"^### `(.*)`$", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)


def test_every_error_has_its_heading() -> None:
    assert set(public_names("caikit_nb.errors")) <= set(headings())
    assert issubclass(errors.JobError, errors.CaikitNbError)


def test_every_message_that_is_explained_can_be_met() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "caikit_nb").rglob("*.py")]
    # A text may go over two lines of source.
    package = re.sub(r'"\s*f?"', "", "\n".join(sources))
    said = [words for words in headings() if " " in words]
    said += re.findall(r"^- `(.*?)`", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
    assert len(said) > 20
    fixed = [words for words in said if words.partition(" (")[0] not in package]
    assert [words for words in fixed if not words.startswith(("concurrent.", "killed by"))] == []


def test_every_page_and_lesson_is_in_a_list_of_contents() -> None:
    index = (SOURCE / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^(\w[\w/]*)$", index, re.MULTILINE))
    found = [*PAGES.glob("*.md"), *SOURCE.glob("*.md")]
    pages = {str(path.relative_to(SOURCE).with_suffix("")) for path in found} - {"index"}
    lessons = {path.stem for path in SOURCE.glob("0*.ipynb")}
    assert pages | lessons | {"pages/reference/index"} == listed
    contents = (REFERENCE / "index.rst").read_text("utf-8").split()
    assert {path.stem for path in REFERENCE.glob("*.rst")} - {"index"} <= set(contents)


@pytest.mark.parametrize(
    "path", [*PAGE_FILES, SOURCE / "index.md", ROOT / "SECURITY.md", ROOT / "README.md"], ids=str
)
def test_links_and_pictures_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#:]+)\)|^:file: (.*)$|\{include\} (.*)$", text, re.MULTILINE)
    files = [target for found in targets for target in found if target]
    assert [file for file in files if not (path.parent / file).exists()] == []


def test_the_architecture_has_every_room() -> None:
    page = (PAGES / "architecture.md").read_text("utf-8")
    package = Path(caikit_nb.__file__).parent
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert {room for room in rooms if f"  {room}/ " not in page} == set()


def test_the_files_that_the_architecture_names_are_there() -> None:
    page = (PAGES / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", page))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / "caikit_nb" / name).is_file()} == set()


def test_the_backend_of_the_page_passes_the_contract(tmp_path: Path) -> None:
    page = (PAGES / "backends.md").read_text("utf-8")
    backend, tests = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "pool_backend.py").write_text(backend, "utf-8")
    (tmp_path / "test_pool_backend.py").write_text(tests, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 15, done.stdout
