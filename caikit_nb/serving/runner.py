"""The runner of a server's process. It is imported where a server is started, and so is light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caikit_nb.execution.call import RESULT, Call


def run_server(call: Call, port: Any) -> Mapping[str, object]:
    """Serve until a message of the parent says to stop.

    ``options``: ``settings``, and ``version`` of this package. ``inputs``: models by name.
    """
    from caikit_nb.serving.picture import PICTURE
    from caikit_nb.serving.server_process import ServerRun

    run = ServerRun(
        call.options["settings"],
        dict(call.inputs),
        lambda picture: port.send({"kind": PICTURE, "picture": picture.to_message()}),
        call.options["version"],
    )
    port.listen(lambda _: run.stop())
    run.serve()
    return {RESULT: None}
