"""Terminal text as HTML, with its colours and its bold, faint, italic and underlined parts."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator

from caikit_nb.jobs.playback import played as played

_Looks = dict[str, str]  # CSS properties

_COLOURS = ("#3e424d", "#c9303e", "#1f8a4c", "#a8690a", "#1f6fd0", "#a33fa8", "#0b8a8f", "#8a8f99")
_ON = {
    1: ("font-weight", "bold"),
    2: ("opacity", "0.7"),
    3: ("font-style", "italic"),
    4: ("text-decoration", "underline"),
    9: ("text-decoration", "line-through"),
    **{30 + at: ("color", colour) for at, colour in enumerate(_COLOURS)},
    **{90 + at: ("color", colour) for at, colour in enumerate(_COLOURS)},
    **{40 + at: ("background-color", f"{colour}55") for at, colour in enumerate(_COLOURS)},
    **{100 + at: ("background-color", f"{colour}55") for at, colour in enumerate(_COLOURS)},
}
_OFF = {
    22: ("font-weight", "opacity"),
    23: ("font-style",),
    24: ("text-decoration",),
    29: ("text-decoration",),
    39: ("color",),
    49: ("background-color",),
}
_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


def plain(text: str) -> str:
    """The text without escape sequences and control characters."""
    return _CONTROL.sub("", _OTHER.sub("", _SEQUENCE.sub("", text)))


def to_html(text: str) -> str:
    """The text escaped for HTML, its looks kept."""
    text = _CONTROL.sub("", _OTHER.sub("", text))
    pieces: list[str] = []
    looks: _Looks = {}
    at = 0
    for match in _SEQUENCE.finditer(text):
        pieces.append(_span(text[at : match.start()], looks))
        _change(looks, [int(code[-3:]) if code else 0 for code in match.group(1).split(";")])
        at = match.end()
    pieces.append(_span(text[at:], looks))
    return "".join(pieces).replace("\x1b", "")


def _span(text: str, looks: _Looks) -> str:
    escaped = html.escape(text, quote=False)
    if not looks or not escaped:
        return escaped
    style = "".join(f"{name}:{value};" for name, value in looks.items())
    return f'<span style="{style}">{escaped}</span>'


def _change(looks: _Looks, codes: list[int]) -> None:
    """Apply the codes of a sequence."""
    rest = iter(codes)
    for code in rest:
        if code in (38, 48):
            colour = _extended(list(itertools.islice(rest, 1)), rest)
            if colour:
                looks["color" if code == 38 else "background-color"] = colour
        elif code == 0:
            looks.clear()
        elif code in _ON:
            name, value = _ON[code]
            looks[name] = value
        elif code in _OFF:
            for name in _OFF[code]:
                looks.pop(name, None)


def _extended(kind: list[int], rest: Iterator[int]) -> str:
    """A colour of the palette of 256, or one of red, green and blue."""
    if kind == [5]:
        return "".join(_of_palette(index % 256) for index in itertools.islice(rest, 1))
    if kind == [2]:
        parts = list(itertools.islice(rest, 3))
        return "#" + "".join(f"{part % 256:02x}" for part in parts) if len(parts) == 3 else ""
    return ""


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
