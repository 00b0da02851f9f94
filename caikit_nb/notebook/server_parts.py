"""The parts of a model server's card: pure functions from the server to HTML and text."""

from __future__ import annotations

import html

from caikit_nb.jobs.sizes import format_size
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.card_parts import lost_html
from caikit_nb.notebook.looks import BORDER, CODE_FONT, FAINT, FONT, LOOKS, TEXT, folded
from caikit_nb.notebook.view_bundle import KeptView, at_clock, marked_state
from caikit_nb.serving.model_server import ModelServer
from caikit_nb.serving.picture import ModelPicture

_LOOKS = {
    "starting": LOOKS[JobStatus.QUEUED],
    "serving": LOOKS[JobStatus.RUNNING],
    "stopping": LOOKS[JobStatus.QUEUED],
    "stopped": LOOKS[JobStatus.COMPLETED],
    "failed": LOOKS[JobStatus.ERRORED],
}
_COLUMNS = ("model", "format", "size", "requests", "per second", "p50", "p95", "p99", "errors")
_PLAIN = ("model", "format", "size")  # which say by themselves what they are
_MOST_ROWS = 20
_FIRST_NUMBER = 2  # of the columns; numbers stand right


def kept_card(server: ModelServer, key: str) -> KeptView:
    """The whole card, as a saved notebook keeps it.

    Args:
        server: Whose.
        key: The view's.
    """
    moment = "" if server.has_ended else at_clock()
    shown = (
        f'<div style="border:1px solid {BORDER};border-radius:6px;padding:8px 12px;'
        f'max-width:900px">{head_html(server, moment)}{models_html(server)}'
        f"{snippet_html(server)}</div>"
    )
    lost = lost_html() if moment else ""
    return KeptView(key, shown, card_text(server, moment), not moment, lost)


def card_text(server: ModelServer, moment: str = "") -> str:
    """The card in plain text; `moment` says when that was so."""
    words = (f"server {server.name}: {server.state}", moment, _where(server))
    lines = [" ".join(word for word in words if word)]
    for model in _models(server):
        facts = zip(_COLUMNS, _cells(model), strict=True)
        texts = [cell if name in _PLAIN else f"{name} {cell}" for name, cell in facts if cell]
        lines.append("  " + "  ".join(texts))
    if server.error is not None:
        lines.append(f"  {server.error}")
    return "\n".join(lines)


def head_html(server: ModelServer, moment: str = "") -> str:
    """State, name, address, and who may call.

    Args:
        server: Whose.
        moment: When that was so, for a page that nobody brings up to date.
    """
    look = _LOOKS[server.state]
    state = (
        f'<span style="color:{look.colour};font-weight:600" role="status">'
        f'<span aria-hidden="true">{look.sign}</span> {server.state}</span>'
    )
    if moment:
        state = marked_state(f"{state} {moment}")
    error = server.error
    reason = "" if error is None else _line(html.escape(str(error)), look.colour, 'role="alert"')
    return (
        f'<div style="font-family:{FONT};color:{TEXT};line-height:1.5">'
        '<div style="display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline">'
        f"{state}"
        f'<span style="font-weight:600;font-family:{CODE_FONT};overflow-wrap:anywhere">'
        f"{html.escape(server.name)}</span>"
        f'<span style="font-family:{CODE_FONT};overflow-wrap:anywhere;user-select:all">'
        f"{html.escape(_where(server))}</span></div>"
        f"{_line(html.escape(_facts(server)), FAINT)}{reason}</div>"
    )


def _where(server: ModelServer) -> str:
    return server.target if server.is_running or server.state == "stopping" else ""


def _facts(server: ModelServer) -> str:
    settings = server.settings
    parts = ["gRPC: KServe V2 inference and ModelRuntime"]
    parts.append("for this machine only" if settings.is_local else "for other machines, too")
    if settings.tls is not None:
        parts.append("TLS")
    if settings.token is not None:
        parts.append("needs a token, which is server.token")
    return " · ".join(parts)


def _line(text: str, colour: str, more: str = "") -> str:
    return f'<div {more} style="color:{colour};font-size:0.9em;overflow-wrap:anywhere">{text}</div>'


def models_html(server: ModelServer) -> str:
    """A row for each model; empty if there are none."""
    models = _models(server)
    if not models:
        return ""
    line = f"border-bottom:1px solid {BORDER};padding:2px 12px 2px 0"
    head = "".join(
        f'<th style="{line};text-align:{_side(n)};font-weight:600;background:none">{name}</th>'
        for n, name in enumerate(_COLUMNS)
    )
    rows = "".join(_row(model) for model in models[:_MOST_ROWS])
    more = len(models) - _MOST_ROWS
    rest = _line(f"{more} more", FAINT) if more > 0 else ""
    errors = [m.usage.last_error for m in models if m.usage is not None and m.usage.last_error]
    last = _line(f"last error: {html.escape(errors[-1])}", FAINT) if errors else ""
    return (
        f'<div style="overflow-x:auto;margin-top:4px;font-family:{FONT};color:{TEXT}">'
        '<table style="border-collapse:collapse;font-size:0.9em;margin:0;'
        f'font-variant-numeric:tabular-nums"><thead><tr style="background:none">{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table>{rest}{last}</div>"
    )


def _models(server: ModelServer) -> tuple[ModelPicture, ...]:
    """Its models; of a server that has ended, as they stood then."""
    return () if server.picture is None else server.picture.models


def _side(column: int) -> str:
    return "right" if column >= _FIRST_NUMBER else "left"


def _row(model: ModelPicture) -> str:
    errors = model.usage is not None and model.usage.errors
    red = f"color:{LOOKS[JobStatus.ERRORED].colour};" if errors else ""
    cells = "".join(
        f'<td style="padding:1px 12px 1px 0;text-align:{_side(n)};white-space:nowrap;'
        f'{red if n == len(_COLUMNS) - 1 else ""}"'
        f"{f' title={_quoted(model.source)}' if n == 0 and model.source else ''}>"
        f"{html.escape(cell)}</td>"
        for n, cell in enumerate(_cells(model))
    )
    return f'<tr style="background:none">{cells}</tr>'


def _quoted(text: str) -> str:
    return f'"{html.escape(text)}"'


def _cells(model: ModelPicture) -> tuple[str, ...]:
    usage = model.usage
    if usage is None:
        return (model.id, model.state, *[""] * (len(_COLUMNS) - 2))
    latencies = [_milliseconds(each) for each in usage.latency_ms] or ["", "", ""]
    return (
        model.id,
        model.platform if model.state == "loaded" else model.state,
        format_size(model.size_bytes),
        f"{usage.requests:,}".replace(",", " "),
        f"{usage.per_second:.3g}" if model.state == "loaded" else "",
        *latencies,
        str(usage.errors),
    )


def _milliseconds(value: float) -> str:
    if value >= 999.5:
        return f"{value / 1000:.2g} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.2g} ms"


def snippet_html(server: ModelServer) -> str:
    """What to copy into a client; one click selects all of it."""
    if not server.target or not server.is_running:
        return ""
    text = f'<span style="user-select:all">{html.escape(server.snippet)}</span>'
    return folded("Client (a click selects it)", text)
