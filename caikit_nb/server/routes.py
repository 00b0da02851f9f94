"""The routes: the jobs of a kernel of this server, and a job's log.

    GET caikit-nb/kernels/KERNEL/jobs
    GET caikit-nb/kernels/KERNEL/jobs/JOB/log?offset=BYTES
    GET caikit-nb/views/KEY

They need what the server's own routes about kernels need. The first two read nothing but the
directories of jobs of this server's kernels; the third tells the last state of a card or a table,
whatever became of its kernel.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from caikit_nb.jobs import journal, view_files
from caikit_nb.jobs.log_file import log_name, read_part
from caikit_nb.server.kernel_sessions import session_directories

PROTOCOL = "caikit_nb.jobs"
VERSION = 1

_KERNEL = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
_JOB = r"(?P<job_id>[0-9a-f]{12})"
_VIEW = r"(?P<key>[0-9a-f]{12,32})"


def routes(base_url: str) -> list[Any]:
    """The routes below a server's base URL."""
    jobs = url_path_join(base_url, "caikit-nb", "kernels", _KERNEL, "jobs")
    views = url_path_join(base_url, "caikit-nb", "views", _VIEW)
    return [
        (f"{jobs}/?", JobsHandler),
        (url_path_join(jobs, _JOB, "log"), LogHandler),
        (views, ViewHandler),
    ]


class _Handler(APIHandler):
    auth_resource = "kernels"

    def reply(self, content: dict[str, Any]) -> None:
        """Send an answer, with the protocol's version."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"protocol": PROTOCOL, "version": VERSION, **content}))


class ViewHandler(_Handler):
    """The last state of a card or a table."""

    @web.authenticated
    @authorized
    async def get(self, key: str) -> None:
        """Send it, or that its kernel lives."""
        # First of all: its kernel may end it, and be gone, while we look.
        goes_on = await asyncio.to_thread(view_files.goes_on, key)
        view = await asyncio.to_thread(view_files.read, key)
        if view is not None:
            self.reply({"type": "view", **view})
        elif goes_on:
            self.reply({"type": "lives", "key": key})
        else:
            raise web.HTTPError(404, f"there is no view {key}")


class _KernelHandler(_Handler):
    async def states(self, kernel_id: str) -> list[dict[str, Any]]:
        """The states of the kernel's jobs.

        Raises:
            HTTPError: it is no kernel of this server and machine.
        """
        pid = self._pid(kernel_id)
        return await asyncio.to_thread(_read_states, pid)

    def _pid(self, kernel_id: str) -> int:
        manager = self.kernel_manager
        if kernel_id not in manager:
            raise web.HTTPError(404, f"there is no kernel {kernel_id}")
        provisioner = getattr(manager.get_kernel(kernel_id), "provisioner", None)
        pid = getattr(provisioner, "pid", None)
        if not isinstance(pid, int):
            raise web.HTTPError(404, f"kernel {kernel_id} does not run on this machine")
        return pid


class JobsHandler(_KernelHandler):
    """The states of all jobs of a kernel."""

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str) -> None:
        """Send them, oldest first."""
        states = await self.states(kernel_id)
        hidden = {"directory"}
        shown = [{k: v for k, v in state.items() if k not in hidden} for state in states]
        queued = [state["id"] for state in states if state.get("status") == "QUEUED"]
        self.reply({"type": "jobs", "jobs": shown, "queue": queued})


class LogHandler(_KernelHandler):
    """A part of a job's log."""

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str, job_id: str) -> None:
        """Send the part from ``offset`` on, or the log's end without one."""
        states = await self.states(kernel_id)
        state = next((state for state in states if state.get("id") == job_id), None)
        if state is None:
            raise web.HTTPError(404, f"there is no job {job_id}")
        path = Path(state["directory"]) / log_name(int(state.get("attempt", 1)))
        part = await asyncio.to_thread(read_part, path, self._offset())
        self.reply({"type": "log", "id": job_id, **asdict(part)})

    def _offset(self) -> int | None:
        given = self.get_argument("offset", None)
        if given is not None and not given.isdecimal():
            raise web.HTTPError(400, f"offset must be a number of bytes, not {given!r}")
        return None if given is None else int(given)


def _read_states(pid: int) -> list[dict[str, Any]]:
    return [state for path in session_directories(pid) for state in journal.read_session(path)]
