"""The rows of a live table's page, as HTML that its style sheet lays out."""

from __future__ import annotations

import html
from collections.abc import Sequence

from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.job_table import EMPTY
from caikit_nb.notebook.looks import LOOKS, bar_html, sign_html
from caikit_nb.notebook.table_choice import Choice
from caikit_nb.notebook.table_row import TableRow

_HEADINGS = ("job", "state", "time", "progress", "how", "note")
_TOOLTIP_CHARACTERS = 300
_NOTE_CHARACTERS = 160


def rows_html(rows: Sequence[TableRow], choice: Choice, total: int) -> str:
    """The page.

    Args:
        rows: The jobs on it.
        choice: How they were chosen.
        total: How many jobs there are in all.
    """
    if not rows:
        text = "<p>No job matches.</p>" if total else EMPTY[1]
        return f'<div class="caikit-jobs-empty">{text}</div>'
    heads = "".join(_heading(name, choice) for name in _HEADINGS)
    body = "".join(map(_row, rows))
    return f'<div role="table" aria-label="jobs"><div role="row">{heads}</div>{body}</div>'


def _heading(name: str, choice: Choice) -> str:
    """For screen readers only: the headings that one sees are buttons above the rows."""
    order = "descending" if choice.descending else "ascending"
    sort = f' aria-sort="{order}"' if name == choice.column else ""
    return f'<span role="columnheader"{sort} class="caikit-jobs-unseen">{name}</span>'


def _row(row: TableRow) -> str:
    sign = sign_html(row.status)
    cells = {
        "name": html.escape(row.name),
        "state": f"{sign} {html.escape(row.state)}",
        "time": row.elapsed,
        "bar": _bar(row),
        "way": html.escape(row.way),
        "note": html.escape(row.note[:_NOTE_CHARACTERS]),
    }
    tooltips = {"name": row.name, "note": row.note[:_TOOLTIP_CHARACTERS]}
    return (
        '<div role="row" class="caikit-jobs-row">'
        + "".join(_cell(name, text, tooltips.get(name, "")) for name, text in cells.items())
        + "</div>"
    )


def _cell(name: str, content: str, tooltip: str) -> str:
    title = f' title="{html.escape(tooltip)}"' if tooltip else ""
    return f'<span role="cell" class="caikit-jobs-{name}"{title}>{content}</span>'


def _bar(row: TableRow) -> str:
    if row.fraction is None:
        return ""
    # Of a job that did not complete the bar says how far it came, in the colour of its end.
    status = row.status if row.status.is_terminal else JobStatus.RUNNING
    return f"{bar_html(row.fraction, LOOKS[status].colour, row.name)} <span>{row.percent}</span>"
