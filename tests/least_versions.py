"""Prints the least versions that the package and its extras allow, for ``make audit``.

``python tests/least_versions.py EXTRA…``: one requirement a line, as ``name==version``.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def least_versions(extras: list[str]) -> list[str]:
    """What is asked for at least on this Python, without and with these extras.

    Raises:
        ValueError: a requirement without a least version.
    """
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    asked = set(project["dependencies"])
    asked.update(*(project["optional-dependencies"][extra] for extra in extras))
    found = []
    for requirement in map(Requirement, sorted(asked)):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        least = [each.version for each in requirement.specifier if each.operator == ">="]
        if not least:
            raise ValueError(f"{str(requirement)!r} has no least version")
        found.append(f"{requirement.name}=={least[0]}")
    return found


if __name__ == "__main__":
    print("\n".join(least_versions(sys.argv[1:])))
