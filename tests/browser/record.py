"""What the file of a notebook says of its cards, tables and views."""

import re
from typing import Any

from caikit_nb.notebook.view_bundle import KEPT_VIEW
from tests.browser.lab import LabPage, LabServer
from tests.lazy import Lazy
from tests.waiting import until

nbformat = Lazy("nbformat")


def read(page: LabPage, name: str) -> Any:
    """The notebook as it lies on disk."""
    found = []

    def is_whole() -> bool:
        try:
            found.append(nbformat.read(page.server.root / name, as_version=4))
        except ValueError:  # it is just being written
            return False
        return True

    until(is_whole, f"{name} is whole")
    return found[0]


def outputs(page: LabPage, name: str, cell: int) -> list[dict[str, Any]]:
    """The outputs of a cell that show something of ours, as the file has them."""
    shown = read(page, name).cells[cell].outputs
    return [output for output in shown if KEPT_VIEW in output.get("data", {})]


def kept(page: LabPage, name: str, cell: int) -> str:
    """What a person reads there; "a chart" stands for each of them."""
    html = "".join(output["data"]["text/html"] for output in outputs(page, name, cell))
    return re.sub("<[^>]*>", " ", html.replace("<svg ", "a chart <svg "))


def sessions(server: LabServer, name: str) -> list[dict[str, Any]]:
    """The notebook's sessions, as the server's REST interface describes them."""
    return [session for session in server.api("sessions") if session["path"] == name]


def kernel_id(server: LabServer, name: str) -> str:
    """The notebook's kernel."""
    (session,) = sessions(server, name)
    return str(session["kernel"]["id"])
