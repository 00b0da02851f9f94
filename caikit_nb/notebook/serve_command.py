"""``%caikit_serve``: a job's or a variable's model behind a port, in one line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import Any, NoReturn

from IPython.core.error import UsageError

from caikit_nb.errors import CaikitNbError
from caikit_nb.notebook.server_cards import ServerCards
from caikit_nb.notebook.server_parts import card_text
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.session import Session

_MAGIC = "%caikit_serve"


class ServeCommand:
    """Reads a line and acts.

    Args:
        session: Whose servers and jobs.
        cards: Where servers are shown.
        namespace: The user's variables.
    """

    def __init__(self, session: Session, cards: ServerCards, namespace: Mapping[str, Any]) -> None:
        self._session, self._cards, self._namespace = session, cards, namespace

    def run(self, line: str) -> ModelServer | None:
        """Do what the line says.

        Raises:
            UsageError: it can't be read, or can't be done.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{_MAGIC}: {error} in the line {line.strip()!r}") from None
        if not words:
            self._list()
            return None
        if words[0] in ("stop", "show"):
            self._act(words[0], words[1:])
            return None
        return self._serve(_make_parser().parse_args(words))

    def _list(self) -> None:
        servers = list(self._session.servers.values())
        for server in servers:
            print(card_text(server))
        if not servers:
            print("no servers yet: %caikit_serve NAME serves a job's model")

    def _act(self, action: str, names: list[str]) -> None:
        servers = self._session.servers
        for name in names or list(servers):
            if name not in servers:
                known = ", ".join(servers) or "there are none"
                raise UsageError(f"{_MAGIC}: no server {name!r}; the servers: {known}")
            if action == "stop":
                servers[name].stop()
            else:
                self._cards.show(servers[name])

    def _serve(self, options: argparse.Namespace) -> ModelServer:
        trusted: Any = True if "" in options.trust else options.trust
        try:
            return self._session.servers.start(
                self._found(options.source),
                options.name or (options.source if options.source.isidentifier() else None),
                trusted=trusted,
                model_type=options.type,
                port=options.port,
                socket=options.socket,
                token=options.token,
            )
        except (CaikitNbError, ValueError, TypeError) as error:
            raise UsageError(f"{_MAGIC}: {error}") from None

    def _found(self, source: str) -> Any:
        """A job of that name, else a variable, else a path."""
        if source in self._session.registry:
            return self._session.registry[source]
        if source.isidentifier():
            if source not in self._namespace:
                raise UsageError(f"{_MAGIC}: {source!r} is no job and no variable")
            return self._namespace[source]
        return source


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_MAGIC}: {message.removeprefix('argument ')}")


def _make_parser() -> _Parser:
    parser = _Parser(prog=_MAGIC, add_help=False, allow_abbrev=False)
    parser.add_argument("source", metavar="NAME")
    parser.add_argument("--name")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket")
    parser.add_argument("--token", action="store_true", default=None)
    parser.add_argument("--trust", action="append", nargs="?", const="", default=[])
    parser.add_argument("--type", default="auto")
    return parser
