"""The place in a notebook where something live is displayed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.notebook.kept_views import KeptViews
from caikit_nb.notebook.unattended import is_unattended
from caikit_nb.notebook.view_bundle import KeptView, view_bundle


class ViewDisplay:
    """One view's output, shown in the cell that runs then and renewed from anywhere.

    Args:
        shell: Where.
        views: Has what is to be saved.

    Attributes:
        id: By which front ends know it; also the key of a view that has no other.
    """

    def __init__(self, shell: InteractiveShell, views: KeptViews) -> None:
        self._shell, self._views = shell, views
        self.id = uuid.uuid4().hex
        self._model_id: str | None = None

    def show(self, view: KeptView, box: Any, job_ids: Sequence[str] = ()) -> None:
        """Display it in the running cell.

        Args:
            view: Its state now.
            box: The widget.
            job_ids: See `view_bundle`.
        """
        self._model_id = None if is_unattended(self._shell) else box.model_id
        self._publish(view, job_ids, update=False)

    def renew(self, view: KeptView, job_ids: Sequence[str] = ()) -> None:
        """Put another state in the place of what was shown."""
        self._publish(view, job_ids, update=True)

    def _publish(self, view: KeptView, job_ids: Sequence[str], *, update: bool) -> None:
        self._views.keep(view)
        self._shell.display_pub.publish(
            view_bundle(view, self._model_id, job_ids),
            transient={"display_id": self.id},
            update=update,
        )
