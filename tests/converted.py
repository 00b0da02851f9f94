"""What nbconvert makes of a notebook."""

import html
import re
from typing import Any

from tests.lazy import Lazy

nbconvert, nbformat = Lazy("nbconvert"), Lazy("nbformat")


def converted(notebook: Any) -> str:
    """What a person reads in the HTML of a notebook's outputs, who has no kernel and no network.

    Args:
        notebook: The notebook, or its path.
    """
    exporter = nbconvert.HTMLExporter(exclude_input=True)
    if not hasattr(notebook, "cells"):
        notebook = nbformat.read(notebook, as_version=4)
    page, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    return html.unescape(re.sub("<[^>]*>", " ", body))
