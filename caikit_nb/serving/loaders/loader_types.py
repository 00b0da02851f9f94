"""The loaders by name: ours, and those of installed packages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from caikit_nb.errors import InvalidRequestError
from caikit_nb.execution.short_repr import short_repr
from caikit_nb.serving.loaders.base import Loader
from caikit_nb.serving.loaders.onnx_models import OnnxLoader
from caikit_nb.serving.loaders.pickles import CloudpickleLoader, SklearnLoader
from caikit_nb.serving.loaders.skops_models import SkopsLoader

logger = logging.getLogger(__name__)

ENTRY_POINTS = "caikit_nb.loaders"
AUTO = "auto"

_loaders: list[Loader] = [SklearnLoader(), CloudpickleLoader(), SkopsLoader(), OnnxLoader()]
_loaded = False
_lock = threading.RLock()


def register_loader(loader: object) -> None:
    """Make a loader known.

    Args:
        loader: An instance or a subclass of `Loader`.

    Raises:
        TypeError: it is none.
        ValueError: one of its names isn't in lower case, or is taken.
    """
    made = loader() if isinstance(loader, type) else loader
    if not isinstance(made, Loader):
        raise TypeError(f"a Loader is needed, not {made!r}")
    with _lock:
        taken = {AUTO} | {name for each in _loaders for name in each.names}
        for name in made.names:
            if name in taken or name != name.lower():
                raise ValueError(f"the name {name!r} is taken, or not in lower case")
        _loaders.append(made)


def loaders() -> list[Loader]:
    """All of them."""
    _load_entry_points()
    with _lock:
        return list(_loaders)


def choose_loader(model_type: str, path: Path) -> tuple[Loader, Path]:
    """The loader for a model, and the file that it reads.

    Args:
        model_type: A loader's name, or ``auto`` to go by the file's ending.
        path: A file, or a folder with one file of a known ending.

    Raises:
        InvalidRequestError: there is no such type, or the files don't tell one.
    """
    fitting = _of_type(model_type)
    files = sorted(_candidates(path, fitting))
    if len(files) != 1:
        endings = ", ".join(suffix for loader in fitting for suffix in loader.suffixes)
        many = f"{len(files)} files" if files else "no file"
        raise InvalidRequestError(
            f"{path.name} has {many} with one of the endings {endings}; one is needed"
        )
    file = files[0]
    by_suffix = [loader for loader in fitting if file.suffix.lower() in loader.suffixes]
    return (by_suffix or fitting)[0], file


def _of_type(model_type: str) -> list[Loader]:
    known = loaders()
    wanted = model_type.strip().lower()
    found = known if wanted == AUTO else [each for each in known if wanted in each.names]
    if not found:
        names = ", ".join([AUTO, *(name for each in known for name in each.names)])
        raise InvalidRequestError(f"modelType must be one of {names}, not {short_repr(model_type)}")
    return found


def _candidates(path: Path, fitting: list[Loader]) -> Iterator[Path]:
    suffixes = {suffix for loader in fitting for suffix in loader.suffixes}
    if not path.is_dir():
        # Who names the type may call the file as they like.
        if len(fitting) == 1 or path.suffix.lower() in suffixes:
            yield path
        return
    yield from (file for file in path.iterdir() if file.suffix.lower() in suffixes)


def _load_entry_points() -> None:
    global _loaded
    with _lock:
        if _loaded:
            return
        _loaded = True
        for entry_point in metadata.entry_points(group=ENTRY_POINTS):
            try:
                register_loader(entry_point.load())
            except Exception:
                # One broken package must not take the other formats away.
                logger.warning("the loader %s can't be used", entry_point.value, exc_info=True)
