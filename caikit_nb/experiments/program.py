"""The program ``caikit-nb``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run it; what is missing is named with its extra."""
    try:
        from caikit_nb.experiments.command_line import app
    except ModuleNotFoundError as error:
        sys.exit(f'caikit-nb needs {error.name}: pip install "caikit_nb[experiments]"')
    app()
