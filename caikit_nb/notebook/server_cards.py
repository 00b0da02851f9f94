"""Shows model servers and keeps their cards up to date."""

from __future__ import annotations

import logging
import uuid

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.notebook import server_parts
from caikit_nb.notebook.sent import Sender
from caikit_nb.notebook.unattended import is_unattended
from caikit_nb.notebook.view_bundle import widget_view
from caikit_nb.serving.model_server import ModelServer

logger = logging.getLogger(__name__)


class ServerCards:
    """The cards of a session's servers; plain text where there are no widgets.

    Args:
        shell: Where they are shown.
        has_widgets: Whether this shell is a kernel's.
    """

    def __init__(self, shell: InteractiveShell, *, has_widgets: bool) -> None:
        self._shell, self._has_widgets = shell, has_widgets
        self._shown_in: dict[ModelServer, int] = {}

    def show(self, server: ModelServer) -> None:
        """Show a server's card in the running cell."""
        self._shown_in[server] = self._shell.execution_count
        if not self._has_widgets:
            return  # the value of the cell is printed
        card = ServerCard(server, self._shell)
        card.show()
        server.on_change.append(lambda _: card.draw())

    def show_as_value(self, server: ModelServer) -> None:
        """Show a server that is the value of a cell, unless that cell has shown it already."""
        if not self._has_widgets:
            print(server_parts.card_text(server))
        elif self._shown_in.get(server) != self._shell.execution_count:
            self.show(server)


class ServerCard:
    """One card. `draw` is called from the servers' thread alone."""

    def __init__(self, server: ModelServer, shell: InteractiveShell) -> None:
        from caikit_nb.notebook.card_widgets import CardWidgets

        self._server, self._shell = server, shell
        self._display_id, self._sender = uuid.uuid4().hex, Sender()
        make = CardWidgets()
        self._head, self._models, self._snippet = make.html("head"), make.html(), make.html()
        self._stop = make.button("Stop", "stop", "Answer the requests that are there, and end it")
        self._stop.on_click(lambda _: server.begin_to_stop())
        self._buttons = make.row("buttons", [self._stop])
        top = make.row("top", [self._head, self._buttons])
        self._box = make.column("card", [top, self._models, self._snippet])
        self._box.add_class("caikit-card")
        self._fill()

    def show(self) -> None:
        """Display it."""
        self._is_live = not is_unattended(self._shell)
        self._publish(update=False)

    def draw(self) -> None:
        """Bring it up to date."""
        self._fill()
        if not self._server.is_running:
            # What a saved notebook keeps; while it runs it would redraw the page.
            self._publish(update=True)

    def _fill(self) -> None:
        server, send = self._server, self._sender
        send.set(self._models, value=server_parts.models_html(server))
        send.set(self._snippet, value=server_parts.snippet_html(server))
        send.set(self._buttons, children=(self._stop,) if server.is_running else ())
        send.set(self._head, value=server_parts.head_html(server))

    def _publish(self, *, update: bool) -> None:
        model_id = self._box.model_id if self._is_live else None
        self._shell.display_pub.publish(
            {
                **widget_view(model_id),
                "text/html": server_parts.card_html(self._server),
                "text/plain": server_parts.card_text(self._server),
            },
            transient={"display_id": self._display_id},
            update=update,
        )
