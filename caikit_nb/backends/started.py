"""The backends that one executor uses: each made and started when it is first asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from caikit_nb.backends import backend_types
from caikit_nb.backends.base import BackendBase
from caikit_nb.errors import BackendError

logger = logging.getLogger(__name__)


class StartedBackends:
    """One backend for each name.

    Args:
        default: The backend to use where nothing else is said, or its name. One that is given
            is known by its own name here, and is stopped only if it was started here.
        settings: Gives the settings of each backend by its name, in lower case; asked anew each
            time. With other settings than before there is another backend.

    Attributes:
        default: Its name; None if there is none.

    Raises:
        ValueError: there is no backend of that name; names those that there are.
    """

    def __init__(
        self,
        default: BackendBase | str | None = None,
        settings: Callable[[], Mapping[str, Mapping[str, Any]]] = dict,
    ) -> None:
        self._settings = settings
        self._backends: dict[str, BackendBase] = {}
        self._made_with: dict[str, Mapping[str, Any]] = {}
        self._stopped_at_end: list[BackendBase] = []
        self._lock = threading.Lock()
        if isinstance(default, BackendBase):
            self.default: str | None = default.backend_type
            self._backends[default.backend_type] = default
        else:
            self.default = default
            if default is not None:
                backend_types.backend_class(default)

    def get(self, name: str) -> BackendBase:
        """The backend of that name, started.

        Raises:
            ValueError: there is none of that name; names those that there are.
            BackendError: it can't be started; says why.
        """
        kind = self._kind(name)
        try:
            backend = self._made(name, kind)
            # Not under our lock: it may take a while, and the other backends must not wait.
            if backend.ensure_started():
                with self._lock:
                    self._stopped_at_end.append(backend)
        except BackendError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise BackendError(f"backend {name!r} can't be started: {text}") from error
        return backend

    def _kind(self, name: str) -> type[BackendBase] | None:
        given = self._backends.get(str(name).upper())
        return backend_types.backend_class(name) if given is None else None

    def _made(self, name: str, kind: type[BackendBase] | None) -> BackendBase:
        key, config = str(name).upper(), dict(self._settings().get(str(name).lower(), {}))
        with self._lock:
            known = self._backends.get(key)
            if known is not None and self._made_with.get(key, config) == config:
                return known
            kind = type(known) if known is not None else kind
            assert kind is not None  # noqa: S101 - looked up if there was none
            made = kind(config) if config else kind()
            self._backends[key], self._made_with[key] = made, config
            return made

    def stop(self) -> None:
        """Stop those that were started here; what one raises is logged."""
        with self._lock:
            backends, self._stopped_at_end = self._stopped_at_end, []
        for backend in reversed(backends):
            try:
                with backend.start_lock():
                    if backend.is_started:
                        backend.stop()
            except Exception:
                logger.exception("the backend %s could not be stopped", backend.backend_type)
