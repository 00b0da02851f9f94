"""Reads a progress bar out of the line that it was printed as."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_UNIT = r"(?P<{}>[kKMGT]i?B?|B)?"
_COUNT = re.compile(
    r"(?<![\w.,:/-])(?P<n>\d[\d,]*(?:\.\d+)?)\s?"
    + _UNIT.format("n_unit")
    + r"\s?/\s?(?P<total>\d[\d,]*(?:\.\d+)?)\s?"
    + _UNIT.format("total_unit")
    + r"(?![\w./:-])"
)
_PERCENT = re.compile(r"(?<![\w.,/-])(\d{1,3}(?:\.\d+)?)\s?%")
_DRAWN = re.compile(
    r"\[[ =>#.\-_*~+█▏▎▍▌▋▊▉░▒▓■□━╸╺]{4,}\]"
    r"|[|│][ #\d█▏▎▍▌▋▊▉░▒▓■□━╸╺]{4,}[|│]"
    r"|[█▏▎▍▌▋▊▉░▒▓■□━╸╺]{5,}"
)
_TQDM_CLOCK = re.compile(
    r"\[(?P<elapsed>[\d:]+)<[\d:?]+(?:, +(?P<speed>[^,\]]+))?(?:, +(?P<postfix>.*?))?\]\s*$"
)
_SPEED = re.compile(r"(?P<value>[\d.]+)(?P<scale>[kMGT]?)(?P<first>[^\W\d]+)/(?P<second>[^\W\d]+)")
_NO_METRIC = re.compile(r"ETA\b.*|[\d:.]*\s*(?:[smh]|ms|us|µs|it)?(?:/\w+)?|\d+s \S+/step")
_SCALES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_LONGEST_POSTFIX = 200


@dataclass(frozen=True, slots=True)
class BarText:
    """A printed bar.

    Attributes:
        desc: The words before it.
        n: Units done; percents if it has no count.
        total: Units to do.
        elapsed_s: Its own clock, if it has one.
        rate: Units a second, if it tells.
        unit: A unit's name.
        postfix: The words after it.
    """

    desc: str
    n: float
    total: float
    elapsed_s: float | None
    rate: float | None
    unit: str
    postfix: str


def read_bar(text: str) -> BarText | None:
    """The bar in a line; None if there is none for certain."""
    text = _ESCAPES.sub("", text)
    if "/" not in text and "%" not in text:
        return None
    drawn, percent = _DRAWN.search(text), _PERCENT.search(text)
    count = _count(text, drawn, percent)
    parts = [part for part in (drawn, percent, count) if part is not None]
    if len(parts) < 2:
        return None
    if count is not None:
        n, total = _number(count, "n"), _number(count, "total")
        unit = "B" if "B" in f"{count['n_unit']}{count['total_unit']}" else "it"
    else:
        n, total, unit = float(percent[1]) if percent else 0.0, 100.0, "%"
    desc = text[: min(part.start() for part in parts)].strip().rstrip(":-|[( ").strip()
    after = text[max(part.end() for part in parts) :]
    return _with_clock(BarText(desc, n, total, None, None, unit, ""), after)


def _count(
    text: str, drawn: re.Match[str] | None, percent: re.Match[str] | None
) -> re.Match[str] | None:
    """The count that belongs to the bar: a description may hold another."""
    found = [match for match in _COUNT.finditer(text) if _is_count(match)]
    if percent is not None:
        part = float(percent[1])
        found = [m for m in found if abs(_number(m, "n") / _number(m, "total") * 100 - part) <= 1]
        return found[-1] if found else None
    if drawn is None or not found:
        return None
    return min(found, key=lambda m: min(abs(m.start() - drawn.end()), abs(drawn.start() - m.end())))


def _is_count(match: re.Match[str]) -> bool:
    n, total = _number(match, "n"), _number(match, "total")
    return 0 <= n <= total and total > 0


def _number(match: re.Match[str], name: str) -> float:
    # A unit may be written once for both: 1.2/4.5 MB.
    unit = match[f"{name}_unit"] or match["total_unit"] or ""
    return float(match[name].replace(",", "")) * _SCALES.get(unit[:1], 1.0)


def _with_clock(bar: BarText, after: str) -> BarText:
    clock = _TQDM_CLOCK.search(after)
    if clock is None:
        return replace(bar, postfix=_metrics(after))
    rate, unit = _speed(clock["speed"] or "")
    postfix = (clock["postfix"] or "")[:_LONGEST_POSTFIX]
    return replace(
        bar,
        postfix=postfix,
        elapsed_s=_seconds(clock["elapsed"]),
        rate=rate,
        unit=unit or bar.unit,
    )


def _metrics(after: str) -> str:
    """What is said after a bar, without times and speeds."""
    parts = (part.strip() for part in after.split(" - "))
    kept = (part for part in parts if part and not _NO_METRIC.fullmatch(part))
    return " - ".join(kept)[:_LONGEST_POSTFIX]


def _speed(text: str) -> tuple[float | None, str]:
    speed = _SPEED.fullmatch(text.strip())
    if speed is None:
        return None, ""
    value = float(speed["value"]) * _SCALES[speed["scale"]]
    if speed["second"] == "s":
        return value, speed["first"]
    return (1 / value if value else None), speed["second"]


def _seconds(clock: str) -> float:
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part or 0)
    return float(seconds)
