"""The command line: measures rows, and writes the table to build/bench."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.benchmarks.measure import measure
from tests.benchmarks.report import Results, as_data, as_markdown
from tests.benchmarks.row import Row
from tests.benchmarks.rows import ROWS


def main() -> None:
    arguments = _parser().parse_args()
    chosen = [row for row in ROWS if row.name in (arguments.rows or [row.name])]
    results: dict[Row, Results] = {}
    for row in chosen:
        start = time.monotonic()
        results[row] = measure(row, max(1, round(row.rounds * arguments.effort)))
        print(f"{row.what}: {time.monotonic() - start:.0f} s", file=sys.stderr)
        write(arguments.out, results)
    print((arguments.out / "benchmarks.md").read_text())


def write(directory: Path, results: dict[Row, Results]) -> None:
    """Write what there is: a long run that is ended loses nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "benchmarks.md").write_text(as_markdown(results))
    (directory / "benchmarks.json").write_text(json.dumps(as_data(results), indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--rows", nargs="*", choices=names, help="all if not given")
    parser.add_argument("--effort", type=float, default=1.0, help="times as many rounds")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    return parser


main()
