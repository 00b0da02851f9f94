"""A Jupyter Server extension: what the jobs of a kernel do, also while the kernel is busy.

A busy kernel answers nobody, but every job's state is on disk (`caikit_nb.jobs.journal`).
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "caikit_nb.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Add the routes to a server that starts."""
    from caikit_nb.server.routes import routes

    server_app.web_app.add_handlers(".*$", routes(server_app.web_app.settings["base_url"]))
