"""A table that displays itself in notebooks and terminals."""

from __future__ import annotations

import html
from collections.abc import Sequence

from caikit_nb.notebook.view_bundle import marked_state

Row = tuple[str, ...]


class Unended(str):
    """A cell that tells how something stands that has not ended."""

    __slots__ = ()


class Table:
    """Rows of text.

    Args:
        headings: One for each column.
        rows: The cells.
        empty: What to say in the place of a table without rows, as text and as HTML.
    """

    def __init__(self, headings: Row, rows: Sequence[Row], empty: tuple[str, str]) -> None:
        self._headings, self._rows, self._empty = headings, rows, empty

    def __repr__(self) -> str:
        if not self._rows:
            return self._empty[0]
        rows = [self._headings, *self._rows]
        widths = [max(len(row[at]) for row in rows) for at in range(len(self._headings))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        if not self._rows:
            return self._empty[1]
        style = 'style="text-align:left"'
        head = "".join(f"<th {style}>{html.escape(heading)}</th>" for heading in self._headings)
        body = "".join(
            "<tr>" + "".join(f"<td {style}>{_cell(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str) -> str:
    escaped = html.escape(cell)
    return marked_state(escaped) if isinstance(cell, Unended) else escaped
