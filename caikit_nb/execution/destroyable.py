"""What can be ended from outside: the interface of workers (contracts P5)."""

from __future__ import annotations

import abc
from typing import Any


class Destroyable(abc.ABC):
    """A worker that runs one call and can be destroyed."""

    _destroyed = False
    _canceled = False

    @property
    def destroyed(self) -> bool:
        """Whether `destroy` was called, in whatever state (contracts P8)."""
        return self._destroyed

    @property
    def canceled(self) -> bool:
        """Whether `destroy` hit a worker that ran or had not started (contracts P8, P21)."""
        return self._canceled

    @property
    def threw(self) -> bool:
        """Whether there is an `error` (contracts P9)."""
        return self.error is not None

    @property
    @abc.abstractmethod
    def ran(self) -> bool:
        """Whether the worker was started and has ended (contracts P9)."""

    @property
    @abc.abstractmethod
    def error(self) -> BaseException | None:
        """The call's exception, or what stands for the worker's death; None if neither."""

    @abc.abstractmethod
    def get_or_throw(self) -> Any:
        """The call's result; raises its error."""

    @abc.abstractmethod
    def destroy(self) -> None:
        """End the worker."""
