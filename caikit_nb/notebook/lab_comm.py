"""Tells JupyterLab's panel of the session's jobs, and does what is clicked there.

One comm for all front ends. The kernel registers it silently, as a front end that doesn't know it
would close it and complain; those that do find it by ``comm_info_request`` or by its first
message, and join by sending ``watch``. labextension/PROTOCOL.md has the messages.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from comm import create_comm, get_comm_manager

from caikit_nb.jobs import journal
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.log_file import log_name, read_part
from caikit_nb.notebook.at_once import hear_where_sent
from caikit_nb.notebook.encodable import encodable
from caikit_nb.notebook.kept_views import KeptViews

logger = logging.getLogger(__name__)

TARGET = "caikit_nb.jobs"
VERSION = 1
MIN_INTERVAL_S = 0.25
LEASE_S = 90.0
MAX_JOBS = 200

Content = Mapping[str, Any]


class LabComm:
    """The kernel's end of the comm.

    Args:
        executor: Whose jobs.
        views: What a notebook keeps of cards and tables.
    """

    def __init__(self, executor: JobExecutor, views: KeptViews) -> None:
        self._registry, self._queue, self._views = executor.registry, executor.queue, views
        self._events = executor.events
        self._watched_until = 0.0
        self._answers: dict[str, Callable[[Content], None]] = {
            "watch": self._watch,
            "cancel": self._cancel,
            "interrupt": self._interrupt,
            "log": self._log,
            "views": self._tell_views,
        }
        self._comm = create_comm(target_name=TARGET, primary=False)
        hear_where_sent(self._comm)
        get_comm_manager().register_comm(self._comm)
        self._comm.on_msg(self._take)
        self._subscription = self._events.subscribe(self._tell, MIN_INTERVAL_S)
        views.follow(self._tell_view, lambda: self.is_watched)
        self._send("hello")

    @property
    def is_watched(self) -> bool:
        """Whether a front end follows the jobs."""
        return time.monotonic() <= self._watched_until

    def close(self) -> None:
        """Say goodbye and tell no more."""
        self._events.unsubscribe(self._subscription)
        self._comm.close()

    def _take(self, message: Mapping[str, Any]) -> None:
        """Answer a front end, also one of another version, or one that talks nonsense."""
        content = message["content"].get("data")
        content = content if isinstance(content, Mapping) else {}
        kind = content.get("type")
        answer = self._answers.get(kind) if isinstance(kind, str) else None
        if answer is None:
            known = ", ".join(self._answers)
            self._fail(content, f"unknown message {kind!r}: this kernel knows {known}")
            return
        try:
            answer(content)
        except Exception as error:
            logger.exception("could not answer %r", kind)
            self._fail(content, f"{type(error).__name__}: {error}")

    def _watch(self, content: Content) -> None:
        is_new = content.get("all") is True or time.monotonic() > self._watched_until
        self._watched_until = time.monotonic() + LEASE_S
        if is_new:
            futures = self._registry.all()
            shown = _newest([future._job for future in futures])
            self._send("jobs", left_out=len(futures) - len(shown), **self._states(shown))

    def _cancel(self, content: Content) -> None:
        self._named(content, lambda future: future._job.cancel("cancelled from the panel"))

    def _interrupt(self, content: Content) -> None:
        self._named(content, lambda future: future.interrupt())

    def _log(self, content: Content) -> None:
        def send_part(future: JobFuture) -> None:
            job, offset = future._job, content.get("offset")
            path = job.directory / log_name(job.attempt.number)
            part = read_part(path, offset if isinstance(offset, int) else None)
            self._send("log", id=future.id, request=content.get("request"), **asdict(part))

        self._named(content, send_part)

    def _tell_views(self, content: Content) -> None:
        keys = content.get("keys")
        found, unknown = self._views.find(keys if isinstance(keys, list) else ())
        for view in found:
            self._send("view", **view)
        self._send("unknown", keys=unknown)

    def _tell_view(self, view: dict[str, Any]) -> None:
        if self.is_watched:
            self._send("view", **view)

    def _named(self, content: Content, act: Callable[[JobFuture], object]) -> None:
        job_id = content.get("id")
        future = self._registry.by_id(job_id) if isinstance(job_id, str) else None
        if future is None:
            self._fail(content, f"there is no job {job_id!r} in this kernel")
        else:
            act(future)

    def _tell(self, job: Job) -> None:
        if time.monotonic() <= self._watched_until:
            self._send("changed", **self._states([job]))

    def _states(self, jobs: Sequence[Job]) -> dict[str, Any]:
        waiting = sorted(self._queue.positions().items(), key=lambda item: item[1])
        return {
            "jobs": encodable([journal.state_of(job) for job in jobs]),
            "queue": [job.spec.id for job, _ in waiting],
        }

    def _fail(self, content: Content, message: str) -> None:
        self._send("failed", request=content.get("request"), message=message)

    def _send(self, kind: str, **content: Any) -> None:
        self._comm.send({"protocol": TARGET, "version": VERSION, "type": kind, **content})


def _newest(jobs: Sequence[Job]) -> list[Job]:
    """As many as a panel shows: those that have not ended, and the newest of the others."""
    ended = [job for job in jobs if job.status.is_terminal]
    active = len(jobs) - len(ended)
    dropped = set(ended[: max(0, len(ended) - max(0, MAX_JOBS - active))])
    return [job for job in jobs if job not in dropped]
