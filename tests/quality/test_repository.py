"""What holds for the repository's files as such."""

import ast
from pathlib import Path

import pytest

# Split, so that this file doesn't match itself.
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "registry.yarnpkg" + ".com",
    "deb.debian" + ".org",
    "security.debian" + ".org",
)
LONGEST_FILE = 500
LONGEST_FUNCTION = 40


@pytest.fixture
def sources(root: Path) -> dict[str, str]:
    """The package's modules, without generated ones: path to text."""
    return {
        str(path.relative_to(root)): path.read_text("utf-8")
        for path in sorted((root / "caikit_nb").rglob("*.py"))
        if "_pb2" not in path.name
    }


def test_no_file_names_a_registry_host(files, root):
    found = [
        f"{path.relative_to(root)}: {host}"
        for path in files
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert not found, "\n".join(found)


def test_no_module_is_too_long(sources):
    lengths = {name: len(text.splitlines()) for name, text in sources.items()}
    found = [f"{name}: {n} lines" for name, n in lengths.items() if n > LONGEST_FILE]
    assert not found, "\n".join(found)


def test_no_function_is_too_long(sources):
    found = [
        f"{name}:{node.lineno} {node.name}: {length} lines"
        for name, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not found, "\n".join(found)
