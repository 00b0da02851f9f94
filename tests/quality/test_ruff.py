"""The sources pass ruff's checks and are formatted by it."""


def test_ruff_finds_nothing(run_python):
    run_python("-m", "ruff", "check", ".")


def test_sources_are_formatted(run_python):
    run_python("-m", "ruff", "format", "--check", "--diff", ".")
