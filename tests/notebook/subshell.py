"""A subshell of a kernel: cells that run in a thread of their own beside the main shell."""

import importlib.util

import pytest

from tests.notebook.kernel import WAIT_S, Kernel

HAS_SUBSHELLS = importlib.util.find_spec("ipykernel.subshell_manager") is not None
needs_subshells = pytest.mark.skipif(not HAS_SUBSHELLS, reason="this ipykernel has no subshells")


class Subshell:
    """One subshell of a kernel, made at once."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        client = kernel.client
        request = client.session.msg("create_subshell_request")
        client.control_channel.send(request)
        reply = client.get_control_msg(timeout=WAIT_S)
        while reply["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            reply = client.get_control_msg(timeout=WAIT_S)
        self._id = reply["content"]["subshell_id"]

    def say_to_widget(self, model_id: str, data: dict[str, object]) -> None:
        """Send what the front end's side of a widget sends, as JupyterLab does."""
        client = self._kernel.client
        message = client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
        message["header"]["subshell_id"] = self._id
        client.shell_channel.send(message)

    def run(self, code: str) -> str:
        """Run a cell there to its end; returns what it printed."""
        own = self.begin(code)

        def published() -> list[tuple[str, dict[str, str]]]:
            return [
                (seen["msg_type"], seen["content"])
                for seen in self._kernel.seen
                if seen["parent_header"].get("msg_id") == own
            ]

        self._kernel.read_until(
            lambda: any(c.get("execution_state") == "idle" for _, c in published()),
            what="a cell of the subshell to end",
        )
        return "".join(content["text"] for kind, content in published() if kind == "stream")

    def begin(self, code: str) -> str:
        """Begin a cell there; returns the id of its message."""
        client = self._kernel.client
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        message = client.session.msg("execute_request", content)
        message["header"]["subshell_id"] = self._id
        client.shell_channel.send(message)
        own: str = message["header"]["msg_id"]
        return own
