"""Has wheels and source distributions carry the built JupyterLab extension.

An editable install goes on without the extension if it can't be built: everything but JupyterLab's
own panels works without it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "labextension"))
import build as labextension

SKIP = "CAIKIT_NB_SKIP_LABEXTENSION"
INSTALLED = "share/jupyter/labextensions/caikit-nb"


class LabExtensionHook(BuildHookInterface[Any]):
    """Builds the extension if its sources have changed."""

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling: nothing in a source distribution."""
        return [] if _is_skipped() else labextension.missing_requirements()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, and put it where JupyterLab looks."""
        if _is_skipped():
            return
        try:
            if labextension.is_stale():
                labextension.build()
        except labextension.BuildError as error:
            line = f"the JupyterLab extension was not built: {error}"
            if version != "editable":
                raise SystemExit(f"{line} (or set {SKIP}=1 to go without it)") from None
            self.app.display_warning(line)
            return
        if self.target_name == "wheel":
            about = labextension.HERE / "install.json"
            build_data["shared_data"][str(labextension.TARGET)] = INSTALLED
            build_data["shared_data"][str(about)] = f"{INSTALLED}/install.json"


def _is_skipped() -> bool:
    return os.environ.get(SKIP, "") not in ("", "0")
