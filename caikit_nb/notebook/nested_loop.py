"""Blocking waits on a running event loop that keep its tasks going (``nested_loop``).

The only place that patches asyncio, and only once the user has asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from traitlets import TraitError

if TYPE_CHECKING:
    from caikit_nb.jobs.job import Job
    from caikit_nb.jobs.job_future import JobFuture, NestedWait


def load() -> NestedWait:
    """The waiting function.

    Raises:
        TraitError: nest-asyncio2 isn't installed.
    """
    try:
        import nest_asyncio2
    except ImportError:
        raise TraitError(
            'CaikitJobs.nested_loop needs nest-asyncio2: pip install "caikit_nb[nested]"'
        ) from None

    def wait(future: JobFuture, timeout: float | None) -> bool:
        """Wait on this thread's loop; False where none is running."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        nest_asyncio2.apply(loop)
        loop.run_until_complete(_ended(future._job, timeout))
        return True

    return wait


async def _ended(job: Job, timeout_s: float | None) -> None:
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    job.on_gone.append(lambda _: loop.call_soon_threadsafe(gone.set))
    if not job.ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), timeout_s)
