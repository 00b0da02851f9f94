"""Imports between the package's rooms go down only (the contracts are in pyproject.toml)."""

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_import_contracts_are_kept(run_python):
    run_python("-c", LINT_IMPORTS, "--no-logo")
