"""In the kernel: the widgets that jobs made, as they stand.

A widget lives in its job's process. For the front end there is a mirror of it in the kernel, which
has its state, also after a reload of the page and after the job's end.
"""

from __future__ import annotations

import base64
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import comm
from ipywidgets import Widget
from ipywidgets.widgets.widget import _put_buffers, _remove_buffers
from traitlets import Unicode

from caikit_nb.execution.messages import Message
from caikit_nb.jobs.job import Job
from caikit_nb.notebook.at_once import heard_at_once

MAX_WIDGETS = 1000
MAX_CUSTOM = 100
_KINDS = ("comm_open", "comm_msg", "comm_close")
_TARGET = "jupyter.widget"
_NAMES = ("_model_name", "_model_module", "_model_module_version")


class MirroredWidget(Widget):
    """A widget of a job, for the front end.

    Args:
        model_id: Its id, the same as in the job.
        state: Its traits, as they are sent.
        tell: Hands the job what the front end says.
    """

    _model_name = Unicode().tag(sync=True)
    _model_module = Unicode().tag(sync=True)
    _model_module_version = Unicode().tag(sync=True)

    def __init__(
        self, model_id: str, state: dict[str, Any], tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self._held, self._tell = _without_capture(state), tell
        self._lock = threading.Lock()
        self._unsent: dict[str, Any] = {}
        self._custom: list[tuple[Any, list[bytes]]] = []
        super().__init__(model_id=model_id, **{name: state.get(name, "") for name in _NAMES})
        heard_at_once(self)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Its traits; those named by `key` alone, if given."""
        if key is None:
            return dict(self._held)
        wanted = {key} if isinstance(key, str) else set(key)
        return {name: value for name, value in self._held.items() if name in wanted}

    def take(self, data: dict[str, Any], buffers: list[bytes]) -> None:
        """Take what the widget in the job says; `flush` sends it on."""
        if data.get("method") == "update":
            state = _without_capture(_with_buffers(data, buffers))
            with self._lock:
                self._held.update(state)
                self._unsent.update(state)
        elif data.get("method") == "custom":
            with self._lock:
                self._custom = [*self._custom[1 - MAX_CUSTOM :], (data, buffers)]

    def flush(self) -> int:
        """Send what is new; says how many messages that took."""
        with self._lock:
            unsent, self._unsent = self._unsent, {}
            custom, self._custom = self._custom, []
        if self.comm is None:
            return 0
        if unsent:
            state, paths, buffers = _remove_buffers(unsent)
            data = {"method": "update", "state": state, "buffer_paths": paths}
            self.comm.send(data=data, buffers=buffers)
        for data, parts in custom:
            self.comm.send(data=data, buffers=parts)
        return bool(unsent) + len(custom)

    def _handle_msg(self, msg: Any) -> None:
        data = msg["content"]["data"]
        if data.get("method") == "request_state":
            self.send_state()
            return
        if data.get("method") == "update":
            with self._lock:
                self._held.update(data["state"])
        self._tell(data)


class JobWidgets:
    """The mirrors of all jobs' widgets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_job: weakref.WeakKeyDictionary[Job, dict[str, MirroredWidget]]
        self._of_job = weakref.WeakKeyDictionary()
        self._news: weakref.WeakKeyDictionary[Job, dict[str, Callable[[], int]]]
        self._news = weakref.WeakKeyDictionary()

    def on_message(self, job: Job, message: Message) -> None:
        """Hear a comm of a job; in the watcher's thread."""
        if message.get("kind") not in _KINDS:
            return
        buffers = [base64.b64decode(part) for part in message.get("buffers", ())]
        comm_id, data = message["comm_id"], message["data"]
        mirrors = self._of_job.get(job, {})
        if message["kind"] == "comm_open":
            self._open(job, message, buffers)
        elif message["kind"] == "comm_close":
            if comm_id in mirrors:
                mirrors.pop(comm_id).close()
        elif comm_id in mirrors:
            mirrors[comm_id].take(data, buffers)
            with self._lock:
                self._news.setdefault(job, {})[comm_id] = mirrors[comm_id].flush
        else:
            self._take_inherited(job, comm_id, data, buffers)

    def _open(self, job: Job, message: Message, buffers: list[bytes]) -> None:
        if message.get("target") != _TARGET:
            return
        if job not in self._of_job:
            self._of_job[job] = {}
        mirrors = self._of_job[job]
        if len(mirrors) >= MAX_WIDGETS:
            _note_once(job, f"more than {MAX_WIDGETS} widgets are left out")
            return
        comm_id, reference = message["comm_id"], weakref.ref(job)

        def tell(data: dict[str, Any]) -> None:
            asked = reference()
            if asked is not None:
                asked.attempt.tell({"kind": "comm_msg", "comm_id": comm_id, "data": data})

        mirrors[comm_id] = MirroredWidget(comm_id, _with_buffers(message["data"], buffers), tell)

    def _take_inherited(
        self, job: Job, comm_id: str, data: dict[str, Any], buffers: list[bytes]
    ) -> None:
        """A copy of the kernel has changed its copy of a widget: show that."""
        if data.get("method") != "update":
            return
        with self._lock:
            pending = self._news.setdefault(job, {}).get(comm_id)
            if not isinstance(pending, _Inherited):
                pending = self._news[job][comm_id] = _Inherited(comm_id)
            pending.state.update(_with_buffers(data, buffers))

    def flush(self, job: Job) -> int:
        """Tell the front end what is new; says how many messages that took."""
        if job.is_output_purged:
            return self._close_all(job)
        with self._lock:
            news = self._news.pop(job, None) or {}
        return sum(send() for send in news.values())

    def has_news(self, job: object) -> bool:
        """Whether there is something to `flush`."""
        return bool(self._news.get(job))  # type: ignore[call-overload]

    def _close_all(self, job: Job) -> int:
        mirrors = self._of_job.pop(job, None) or {}
        for mirror in mirrors.values():
            mirror.close()
        return len(mirrors)


class _Inherited:
    """What is to be shown of a widget of the kernel."""

    def __init__(self, comm_id: str) -> None:
        self._comm_id = comm_id
        self.state: dict[str, Any] = {}

    def __call__(self) -> int:
        manager: Any = comm.get_comm_manager()
        found = manager.comms.get(self._comm_id)
        if found is None:
            return 0
        state, paths, buffers = _remove_buffers(self.state)
        found.send({"method": "update", "state": state, "buffer_paths": paths}, buffers=buffers)
        return 1


def _with_buffers(data: dict[str, Any], buffers: Iterable[bytes]) -> dict[str, Any]:
    state: dict[str, Any] = data.get("state", {})
    _put_buffers(state, data.get("buffer_paths", []), list(buffers))
    return state


def _without_capture(state: dict[str, Any]) -> dict[str, Any]:
    """An output widget asks to have the running cell's output; that isn't the job's to give."""
    return {name: value for name, value in state.items() if name != "msg_id"}


def _note_once(job: Job, note: str) -> None:
    if note not in job.notes:
        job.notes.append(note)
