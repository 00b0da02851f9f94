"""A server in the foreground, as the program ``caikit-nb serve`` runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from caikit_nb.errors import InvalidRequestError, ServerError
from caikit_nb.serving.loaders.loader_types import AUTO, choose_loader
from caikit_nb.serving.picture import ServerPicture
from caikit_nb.serving.server_process import ServerRun
from caikit_nb.serving.settings import ServerSettings


def choose_models(folder: Path, named: Sequence[str]) -> tuple[Path, list[tuple[str, str, str]]]:
    """The model root, and what is loaded from it at the start.

    Args:
        folder: A folder of models, or a model.
        named: What is to be loaded, as NAME=PATH or PATH.

    Raises:
        ServerError: there is no such place.
    """
    folder = folder.absolute()
    if not folder.exists():
        raise ServerError(f"there is no {folder}")
    root = folder if folder.is_dir() else folder.parent
    models = []
    for text in named:
        name, is_named, path = text.partition("=")
        path = path if is_named else text
        models.append((name if is_named else Path(path).stem, path, AUTO))
    if not named and _is_model(folder):
        models.append((folder.stem, str(folder), AUTO))
    return root, models


def _is_model(path: Path) -> bool:
    try:
        choose_loader(AUTO, path)
    except (InvalidRequestError, OSError):
        return False
    return True


def serve_forever(settings: ServerSettings, version: str, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests that are there then are answered.

    Args:
        settings: How.
        version: What it says its version is.
        say: Hears where it listens, once it does, and that it stops.

    Raises:
        ServingError: it can't listen, or a model can't be loaded.
    """
    # What forked processes of loads would print is not ours to buffer.
    sys.stdout.flush()
    told: list[bool] = []

    def tell(picture: ServerPicture) -> None:
        if picture.is_stopping:
            say("stopping")
        elif not told:
            told.append(True)
            names = ", ".join(model.id for model in picture.models)
            say(f"serving {names or 'no models yet'} at {picture.target} (process {os.getpid()})")

    ServerRun(settings, {}, tell, version).serve()
