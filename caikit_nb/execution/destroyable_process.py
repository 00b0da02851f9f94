"""The one way to start a local process (contracts P1 to P17).

`DestroyableProcess` makes a process of the standard library's own kind whose target is our
`child.main`. The watcher reads its pipes, sees its exit and decides its outcome; nobody else
waits for it, so polling from any number of threads is safe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from caikit_nb.execution.process_body import OOM_EXIT_CODES, ProcessBody
from caikit_nb.execution.standard_processes import (
    FORK_CTX,
    FORKSERVER_CTX,
    SPAWN_CTX,
    bare_process,
    carried_state,
    context_of,
    start_process,
)

__all__ = ["FORKSERVER_CTX", "FORK_CTX", "OOM_EXIT_CODES", "SPAWN_CTX", "DestroyableProcess"]


def _process_type(method: str) -> type[ProcessBody] | None:
    mp_context = context_of(method)
    if mp_context is None:
        return None
    base = mp_context.Process

    class _Process(ProcessBody, base):  # type: ignore[misc,valid-type]
        start_method = method

        @staticmethod
        def _Popen(process: Any) -> Any:  # noqa: N802 - multiprocessing's own name
            return start_process(method, process)

        def __getstate__(self) -> dict[str, Any]:
            return carried_state(self)

        def __reduce__(self) -> Any:
            return bare_process, (method, self.__getstate__())

    _Process.__name__ = _Process.__qualname__ = f"{method.capitalize()}Process"
    return _Process


_PROCESS_TYPES: dict[str, type[ProcessBody]] = {
    method: kind
    for method in ("fork", "spawn", "forkserver")
    if (kind := _process_type(method)) is not None
}


def DestroyableProcess(  # noqa: N802 - it stands for a class (contracts P1)
    start_method: str,
    target: Callable[..., Any] | None = None,
    completion_event: Any = None,
    args: tuple[Any, ...] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    destroy_grace_period: float = 10,
    return_result: bool = False,
    **mp_kwargs: Any,
) -> Any:
    """A process that can be destroyed, of the standard library's kind (contracts P1 to P17).

    Args:
        start_method: ``fork``, ``spawn`` or ``forkserver``.
        target: What to call. Notebook functions and closures work under every method.
        completion_event: Set at the end; a fresh event of the same context if None.
        args: Positional arguments of the call.
        kwargs: Keyword arguments of the call.
        destroy_grace_period: Seconds between SIGTERM and SIGKILL.
        return_result: Keep what the call returns for `get_or_throw`.
        **mp_kwargs: ``name`` and ``daemon`` for the process; and our own ``call``, ``inputs``,
            ``capture``, ``gated``, ``listener``, ``surroundings``.

    Raises:
        ValueError: the platform doesn't have that start method.
    """
    kind = _PROCESS_TYPES.get(start_method)
    if kind is None:
        raise ValueError(
            f"start_method {start_method!r} isn't supported on {sys.platform}: "
            f"use one of {sorted(_PROCESS_TYPES)}"
        )
    return kind(
        target, completion_event, args, kwargs, destroy_grace_period, return_result, **mp_kwargs
    )
