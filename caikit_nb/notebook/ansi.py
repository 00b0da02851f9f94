"""Terminal text as HTML: colours as classes of style, carriage returns as a terminal plays them."""

from __future__ import annotations

import html
import re

_COLOURS = ("#3e424d", "#c9303e", "#1f8a4c", "#a8690a", "#1f6fd0", "#a33fa8", "#0b8a8f", "#8a8f99")
_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b\][^\x07]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


def played(text: str) -> str:
    """The text as it stands on a terminal's screen after its carriage returns and backspaces."""
    lines = [_last_overprint(line) for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines)


def _last_overprint(line: str) -> str:
    if "\r" not in line:
        return line
    parts = [part for part in line.split("\r") if part]
    return parts[-1] if parts else ""


def plain(text: str) -> str:
    """The text without escape sequences and control characters."""
    return _CONTROL.sub("", _OTHER.sub("", _SEQUENCE.sub("", text)))


def to_html(text: str) -> str:
    """The text escaped for HTML, its colours and bold kept."""
    text = _CONTROL.sub("", _OTHER.sub("", text))
    pieces: list[str] = []
    style, at = "", 0
    for match in _SEQUENCE.finditer(text):
        pieces.append(_span(text[at : match.start()], style))
        style, at = _style(match.group(1), style), match.end()
    pieces.append(_span(text[at:], style))
    return "".join(pieces).replace("\x1b", "")


def _span(text: str, style: str) -> str:
    escaped = html.escape(text, quote=False)
    return f'<span style="{style}">{escaped}</span>' if style and escaped else escaped


def _style(codes: str, style: str) -> str:
    numbers = [int(code) if code else 0 for code in codes.split(";")]
    at = 0
    while at < len(numbers):
        code = numbers[at]
        if code == 38 and numbers[at + 1 : at + 2] == [5]:
            style += _colour(_of_palette(numbers[at + 2] if at + 2 < len(numbers) else 0))
            at += 2
        elif code in (0, 39):
            style = ""
        elif code == 1:
            style += "font-weight:bold;"
        elif 30 <= code <= 37:
            style += _colour(_COLOURS[code - 30])
        elif 90 <= code <= 97:
            style += _colour(_COLOURS[code - 90])
        at += 1
    return style


def _colour(colour: str) -> str:
    return f"color:{colour};"


def _of_palette(index: int) -> str:
    """A colour of the 256-colour palette."""
    if index < 16:
        return _COLOURS[index % 8]
    if index >= 232:
        level = 8 + (index - 232) * 10
        return f"#{level:02x}{level:02x}{level:02x}"
    index -= 16
    parts = (index // 36, index // 6 % 6, index % 6)
    return "#" + "".join(f"{(0 if part == 0 else 55 + part * 40):02x}" for part in parts)
