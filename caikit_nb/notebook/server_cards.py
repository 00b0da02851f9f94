"""Shows model servers and keeps their cards up to date."""

from __future__ import annotations

import logging
import threading

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.notebook import server_parts
from caikit_nb.notebook.kept_views import KeepPace, KeptViews
from caikit_nb.notebook.sent import Sender
from caikit_nb.notebook.view_bundle import KeptView
from caikit_nb.notebook.view_display import ViewDisplay
from caikit_nb.serving.model_server import ModelServer

logger = logging.getLogger(__name__)


class ServerCards:
    """The cards of a session's servers; plain text where there are no widgets.

    Args:
        shell: Where they are shown.
        views: Has what is to be saved.
        has_widgets: Whether this shell is a kernel's.
    """

    def __init__(self, shell: InteractiveShell, views: KeptViews, *, has_widgets: bool) -> None:
        self._shell, self._views, self._has_widgets = shell, views, has_widgets
        self._shown_in: dict[ModelServer, int] = {}
        # Each whose end no cell has told.
        self._untold: set[ServerCard] = set()

    def show(self, server: ModelServer) -> None:
        """Show a server's card in the running cell."""
        self._shown_in[server] = self._shell.execution_count
        if not self._has_widgets:
            return  # the value of the cell is printed
        card = ServerCard(server, self._shell, self._views)
        card.show()
        self._untold.add(card)
        server.on_change.append(lambda _: card.draw())

    def end_cell(self, *, is_followed: bool, is_unattended: bool) -> None:
        """Put into the saved notebook how the servers stand; see `Cards.end_cell`."""
        for card in list(self._untold):
            if card.has_ended:
                self._untold.remove(card)
            if is_unattended or (card.has_ended and not is_followed):
                card.keep()

    def keep_ends(self) -> None:
        """Put into the notebook how all have ended, as the session has."""
        for card in self._untold:
            card.keep()

    def show_as_value(self, server: ModelServer) -> None:
        """Show a server that is the value of a cell, unless that cell has shown it already."""
        if not self._has_widgets:
            print(server_parts.card_text(server))
        elif self._shown_in.get(server) != self._shell.execution_count:
            self.show(server)


class ServerCard:
    """One card. `draw` is called from the servers' thread alone, `keep` from any."""

    def __init__(self, server: ModelServer, shell: InteractiveShell, views: KeptViews) -> None:
        from caikit_nb.notebook.card_widgets import CardWidgets

        self._server, self._sender = server, Sender()
        self._display, self._pace = ViewDisplay(shell, views), KeepPace(views)
        self._keeping = threading.Lock()
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
        self._display.show(self._kept(), self._box)

    def draw(self) -> None:
        """Bring it up to date."""
        self._fill()
        if self.has_ended:
            # While it runs this would redraw the page.
            self.keep()
        else:
            self._offer()

    def _offer(self) -> None:
        with self._keeping:  # or what is older would come after the end
            if not self.has_ended:
                self._pace.offer(self._kept)

    @property
    def has_ended(self) -> bool:
        """Whether its server has."""
        return self._server.has_ended

    def keep(self) -> None:
        """Put into the notebook how the server stands."""
        with self._keeping:
            self._display.renew(self._kept())

    def _kept(self) -> KeptView:
        return server_parts.kept_card(self._server, self._display.id)

    def _fill(self) -> None:
        server, send = self._server, self._sender
        send.set(self._models, value=server_parts.models_html(server))
        send.set(self._snippet, value=server_parts.snippet_html(server))
        send.set(self._buttons, children=(self._stop,) if server.is_running else ())
        send.set(self._head, value=server_parts.head_html(server))
