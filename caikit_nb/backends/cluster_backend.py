"""What the backends of clusters have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from caikit_nb.backends.base import BackendBase


class ClusterBackend(BackendBase):
    """A backend with settings of its own, whose cluster has a queue.

    Args:
        config: Some of `settings`.

    Raises:
        ValueError: another setting; names those that there are.
    """

    start_methods = ("spawn",)
    option_names = frozenset({"resources", "on"})
    has_queue = True
    settings: ClassVar[Mapping[str, Any]]
    """What may be set, with what holds as shipped."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(self._checked(config or {}))

    def register_config(self, config: Mapping[str, Any]) -> None:
        """Merge more settings in; they hold from the next start on."""
        self.config.update(self._checked(config))

    def _setting(self, name: str) -> Any:
        return self.config.get(name, self.settings[name])

    @classmethod
    def _checked(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(config) - set(cls.settings))
        if unknown:
            raise ValueError(
                f"backend {str(cls.backend_type).lower()!r} has no setting {unknown[0]!r}: "
                f"use {', '.join(cls.settings)}"
            )
        return dict(config)
