"""scikit-learn's models as skops writes them: data without code."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

from caikit_nb.errors import ModelRefusedError
from caikit_nb.serving.loaders.base import Loader, imported
from caikit_nb.serving.loaders.pickles import SKLEARN

# Older ones build types that they don't name when they are asked (CVE-2025-54412, CVE-2025-54413).
_FIRST_SAFE = (0, 12)


class SkopsLoader(Loader):
    """Builds only what skops knows to be harmless, and so takes any file."""

    names = ("skops",)
    suffixes = (".skops",)
    needs_trust = False
    modules = ("skops.io", *SKLEARN)

    def load(self, path: Path) -> Any:
        """See `Loader.load`."""
        skops = imported("skops.io", "skops")
        version = metadata.version("skops")
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _FIRST_SAFE:
            raise ModelRefusedError(f"skops {version} is not safe: pip install 'skops>=0.12'")
        unknown = skops.get_untrusted_types(file=path)
        if unknown:
            raise ModelRefusedError(
                f"the model has types that skops doesn't trust: {', '.join(unknown[:5])}"
            )
        return skops.load(path, trusted=[])
