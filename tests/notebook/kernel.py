"""A real kernel, and a client that sees it as a front end does: outputs, widgets, clicks.

The kernel runs this interpreter with this checkout of the package, in folders of its own. What it
writes to the terminal of its server is kept apart, as nothing of a job may end there.
"""

import ast
import json
import os
import queue
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

import caikit_nb
from tests.ports import free_port
from tests.waiting import until

Message = Mapping[str, Any]

ROOT = Path(caikit_nb.__file__).parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
START_S = 180
WAIT_S = 180.0


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs the tests."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


@dataclass
class Cell:
    """What one executed cell has shown.

    Attributes:
        text: What it printed, stdout and stderr.
        displays: Its rich outputs, the value of its last expression included, by MIME type.
        error: ``Name: text`` of its error; "" if it had none.
        traceback: The error's traceback as sent, with its colours.
    """

    text: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    traceback: str = ""

    def take(self, message: Message) -> None:
        """Take one of the kernel's messages for this cell."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            self.text += content["text"]
        elif kind in ("display_data", "execute_result"):
            self.displays.append(content["data"])
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
            self.traceback = "\n".join(content["traceback"])


_CODE = re.compile(r"<details[^>]*><summary[^>]*>Code</summary>.*?</details>", re.DOTALL)


class Card:
    """A job's card as a front end holds it: a tree of widgets and a saved form."""

    def __init__(self, kernel: "Kernel", display_id: str) -> None:
        self._kernel, self.display_id = kernel, display_id

    @property
    def saved(self) -> dict[str, Any]:
        """The display as the notebook file would keep it."""
        return self._kernel.displays[self.display_id]

    @property
    def model_ids(self) -> list[str]:
        """All its widgets, the outermost first."""
        return list(self._below(self.saved[WIDGET_VIEW]["model_id"]))

    @property
    def html(self) -> str:
        """What its HTML widgets show, but for the folded code."""
        states = [self._kernel.widgets[model_id] for model_id in self.model_ids]
        html = "\n".join(s["value"] for s in states if s["_model_name"] == "HTMLModel")
        return _CODE.sub("", html)

    def button(self, description: str) -> str:
        """The model of the visible button of that name; the test fails if there is none."""
        for model_id in self.model_ids:
            state = self._kernel.widgets[model_id]
            is_shown = self._layout(state).get("display") != "none"
            if state.get("description") == description and is_shown:
                return model_id
        raise AssertionError(f"the card shows no button {description}")

    def shows_button(self, description: str) -> bool:
        """Whether that button can be seen."""
        try:
            self.button(description)
        except AssertionError:
            return False
        return True

    def wait_for(self, text: str, timeout: float = WAIT_S) -> str:
        """Read the kernel's messages until the card shows a text; returns the card's HTML."""
        self._kernel.read_until(lambda: text in self.html, timeout, f"the card to show {text!r}")
        return self.html

    def _layout(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return self._kernel.widgets[state["layout"].removeprefix("IPY_MODEL_")]

    def _below(self, model_id: str) -> Iterator[str]:
        yield model_id
        for child in self._kernel.widgets[model_id].get("children", ()):
            yield from self._below(child.removeprefix("IPY_MODEL_"))


class Kernel:
    """A kernel and its client; a context manager.

    Args:
        home: An empty folder for the files of kernel and sessions.
        environment: Variables beside those of this process.

    Attributes:
        sessions: Where the sessions of ``caikit_nb`` keep their files.
        seen: Every message that the kernel has published so far.
        widgets: The state of each widget, by model id.
        displays: The latest form of each display that has an id.
    """

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home, self.sessions = home, home / "sessions"
        self._terminal = home / "terminal"
        self._environment = _environment(home) | dict(environment or {})
        self.seen: list[Message] = []
        self.widgets: dict[str, dict[str, Any]] = {}
        self.displays: dict[str, dict[str, Any]] = {}
        self._cells: dict[str, Cell] = {}
        self._idle: set[str] = set()
        self._replies: dict[str, Message] = {}

    def __enter__(self) -> Self:
        self.manager = KernelManager(
            kernel_spec_manager=_ThisInterpreter(),
            connection_file=str(self.home / "kernel.json"),
            cache_ports=False,
            **{f"{name}_port": free_port() for name in CHANNELS},
        )
        self._output = self._terminal.open("wb")  # a restart writes to it, too
        self.manager.start_kernel(
            stdout=self._output,
            stderr=self._output,
            env=self._environment,
            cwd=str(self.home),
        )
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.manager.context.destroy()
        self._output.close()

    def session_directories(self) -> list[Path]:
        """What sessions have made; what notebooks keep of cards outlives them."""
        return [path for path in self.sessions.iterdir() if path.name != "views"]

    def restart(self) -> None:
        """End the kernel and start another in its place, as a front end's button does."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self._connect()

    @property
    def pid(self) -> int:
        """The kernel's process."""
        return self.manager.provisioner.process.pid

    @property
    def terminal(self) -> str:
        """What has reached the terminal of the kernel's server."""
        return self._terminal.read_text()

    def execute(self, code: str) -> str:
        """Send a cell and return at once; `finish` waits for it."""
        message_id = self.client.execute(code)
        self._cells[message_id] = Cell()
        return message_id

    def finish(self, message_id: str, timeout: float = WAIT_S) -> Cell:
        """Wait until a cell has ended."""
        self.read_until(lambda: message_id in self._idle, timeout, "a cell to end")
        self._reply(message_id, timeout)
        return self._cells[message_id]

    def run(self, code: str, timeout: float = WAIT_S) -> Cell:
        """Run a cell to its end, whatever it is."""
        return self.finish(self.execute(code), timeout)

    def do(self, code: str, timeout: float = WAIT_S) -> Cell:
        """Run a cell that must not fail."""
        cell = self.run(code, timeout)
        assert not cell.error, cell.traceback
        return cell

    def value(self, expression: str, timeout: float = WAIT_S) -> Any:
        """An expression's value, read between cells and without being one; plain data only."""
        encoded = f"__import__('json').dumps({expression})"
        message_id = self.client.execute("", silent=True, user_expressions={"value": encoded})
        answer = self._reply(message_id, timeout)["content"]["user_expressions"]["value"]
        assert answer["status"] == "ok", "\n".join(answer.get("traceback", [str(answer)]))
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def until(self, expression: str, timeout: float = WAIT_S) -> None:
        """Ask the kernel until an expression is true."""
        until(lambda: self.value(f"bool({expression})"), expression, timeout)

    def wait_for_text(self, message_id: str, text: str, timeout: float = WAIT_S) -> None:
        """Wait until a running cell has printed a text."""
        cell = self._cells[message_id]
        self.read_until(lambda: text in cell.text, timeout, f"the cell to print {text!r}")

    def read_until(
        self, condition: Callable[[], object], timeout: float = WAIT_S, what: str = "a message"
    ) -> None:
        """Read what the kernel publishes until a condition holds."""
        give_up = time.monotonic() + timeout
        while not condition():
            try:
                self._take(self.client.get_iopub_msg(timeout=max(0.0, give_up - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"waited {timeout} s for {what}") from None

    def read_what_is_there(self) -> None:
        """Read all that the kernel has published so far."""
        self.run("pass")

    def interrupt(self) -> None:
        """What a front end's stop button does."""
        self.manager.interrupt_kernel()

    def card(self, name: str) -> Card:
        """The newest card of a job."""
        shown = self._shown(name)
        assert shown, f"no card of {name} was shown"
        return Card(self, shown[-1])

    def has_card(self, name: str) -> bool:
        """Whether a card of a job of that name was shown."""
        return bool(self._shown(name))

    def _shown(self, name: str) -> list[str]:
        return [
            message["content"]["transient"]["display_id"]
            for message in self.seen
            if message["msg_type"] == "display_data"
            and message["content"]["data"].get("text/plain", "").startswith(f"job {name}:")
        ]

    def click(self, model_id: str) -> None:
        """Click a button as a browser does."""
        self.say_to_widget(model_id, {"method": "custom", "content": {"event": "click"}})

    def say_to_widget(self, model_id: str, data: dict[str, Any]) -> None:
        """Send what the front end's side of a widget sends."""
        message = self.client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
        self.client.shell_channel.send(message)

    def streams(self) -> str:
        """What all cells have printed so far."""
        return "".join(m["content"]["text"] for m in self.seen if m["msg_type"] == "stream")

    def _connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=START_S)

    def _reply(self, message_id: str, timeout: float) -> Message:
        give_up = time.monotonic() + timeout
        while message_id not in self._replies:
            try:
                reply = self.client.get_shell_msg(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited {timeout} s for the kernel to answer") from None
            self._replies[reply["parent_header"].get("msg_id", "")] = reply
        return self._replies[message_id]

    def _take(self, message: Message) -> None:
        self.seen.append(message)
        parent = message["parent_header"].get("msg_id", "")
        if parent in self._cells:
            self._cells[parent].take(message)
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            self._idle.add(parent)
        elif kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["data"].get("method") == "update":
            self.widgets[content["comm_id"]].update(content["data"]["state"])
        elif kind in ("display_data", "update_display_data"):
            display_id = content.get("transient", {}).get("display_id")
            if display_id is not None:
                self.displays[display_id] = content["data"]


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    kept.pop("PYTEST_CURRENT_TEST", None)  # with it ipykernel leaves its descriptors 1 and 2 alone
    return {
        **kept,
        "CAIKIT_NB_DIR": str(home / "sessions"),
        "CAIKIT_NB_EXPERIMENTS": f"sqlite:///{home / 'experiments.sqlite'}",
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
