"""Prints the least versions that the package and its extras allow, for ``make audit``.

``python tests/least_versions.py EXTRA…``: one requirement a line, as ``name==version``.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)")


def least_versions(extras: list[str]) -> list[str]:
    """What is asked for at least, without and with these extras.

    Raises:
        ValueError: a requirement without a least version.
    """
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    asked = set(project["dependencies"])
    asked.update(*(project["optional-dependencies"][extra] for extra in extras))
    found = []
    for requirement in sorted(asked):
        match = _REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(f"{requirement!r} has no least version")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(least_versions(sys.argv[1:])))
