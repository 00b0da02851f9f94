"""In a job's process: its widgets speak to the card, and hear what the user does there.

A widget speaks through a comm. In a job there is no front end to speak to, so its comms send
their messages to the notebook, where `job_widgets` shows the widget.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import comm
from comm.base_comm import BaseComm

from caikit_nb.execution.call import Port
from caikit_nb.execution.messages import Message

logger = logging.getLogger(__name__)


class _Line:
    """The way to the notebook and back."""

    port: Port | None = None
    listens_in = 0  # the process in which somebody waits for messages


class JobComm(BaseComm):
    """A comm of a widget that was made in the job."""

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Any = None,
        **keys: Any,
    ) -> None:
        """Send a message to the notebook."""
        if msg_type == "comm_open":
            _listen()
        _send(self.comm_id, msg_type, data, buffers, keys.get("target_name"))

    def handle_msg(self, msg: Any) -> None:
        """Take a message from the front end.

        Other than the method it overrides it tells IPython nothing: figures that the cell is
        just drawing would be shown.
        """
        if self._msg_callback is not None:
            self._msg_callback(msg)


def connect(port: Port) -> None:
    """Have all comms of this process speak to the notebook."""
    _Line.port = port
    comm.create_comm = JobComm
    kernels = sys.modules.get("ipykernel.comm.comm")
    if kernels is not None:  # a copy of the kernel, with the comms of its widgets
        kernels.BaseComm.publish_msg = _publish_inherited


def _publish_inherited(
    self: Any, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
) -> None:
    """The copy may change what a widget of the kernel shows, but the widget itself isn't its."""
    if msg_type == "comm_msg":
        _send(self.comm_id, msg_type, data, buffers, None)


def _send(comm_id: str, kind: str, data: Any, buffers: Any, target: Any) -> None:
    if _Line.port is not None:
        _Line.port.send(
            {
                "kind": kind,
                "comm_id": comm_id,
                "data": data or {},
                # Whatever has a buffer is one, such as an array; what is sent is its bytes.
                "buffers": [memoryview(each).tobytes() for each in buffers or ()],
                "target": target,
            }
        )


def _listen() -> None:
    listen = getattr(_Line.port, "listen", None)
    if listen is not None and _Line.listens_in != os.getpid():
        _Line.listens_in = os.getpid()
        listen(_take)


def _take(message: Message) -> None:
    """A user has done something to a widget; in a thread of its own, as the job is at work."""
    found = comm.get_comm_manager().comms.get(message["comm_id"])
    if found is None:
        return
    content = {"comm_id": message["comm_id"], "data": message["data"]}
    try:
        found.handle_msg({"content": content, "buffers": [], "metadata": {}, "header": {}})
    except Exception:
        logger.exception("a widget's callback failed")
