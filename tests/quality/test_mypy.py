"""The package is typed, strictly."""


def test_mypy_finds_nothing(run_python):
    run_python("-m", "mypy")
