"""The table, for people and for programs."""

import datetime
import os
import platform
import statistics
from collections.abc import Mapping
from typing import Any

from tests.benchmarks.row import BEST_PEER, Contender, Goal, Kind, Measured, Row

Results = Mapping[str, Measured]


def figure(row: Row, measured: Measured) -> float | None:
    """What a contender needs: the median of its blocks. None if it wasn't measured."""
    blocks = block_figures(row, measured)
    return statistics.median(blocks) if blocks else None


def block_figures(row: Row, measured: Measured) -> list[float]:
    """What each block gave, in the row's unit."""
    return [quantile(block, row.quantile) * row.scale for block in measured.blocks]


def quantile(values: list[float], share: float) -> float:
    """The value that a share of them doesn't exceed; the median for a half."""
    if share == 0.5:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def best_peer(row: Row, results: Results) -> Contender | None:
    """The peer that needs least."""
    figures = [
        (value, contender)
        for contender in row.contenders
        if contender.kind is Kind.PEER
        and (value := figure(row, results[contender.name])) is not None
    ]
    return min(figures, key=lambda pair: pair[0])[1] if figures else None


def reached(row: Row, goal: Goal, results: Results) -> float | None:
    """Ours in units of what the goal compares it with; None if one of them wasn't measured."""
    ours = block_figures(row, results[row.ours.name])
    if goal.than is None:
        return statistics.median(ours) if ours else None
    peer = best_peer(row, results) if goal.than == BEST_PEER else _named(row, goal.than)
    others = [] if peer is None else block_figures(row, results[peer.name])
    ratios = [mine / other for mine, other in zip(ours, others, strict=False) if other]
    return statistics.median(ratios) if ratios else None


def _named(row: Row, name: str) -> Contender:
    return next(contender for contender in row.contenders if contender.name == name)


def machine() -> dict[str, Any]:
    """Where and when."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def as_data(rows: Mapping[Row, Results]) -> dict[str, Any]:
    """Everything, for JSON."""
    return {"machine": machine(), "rows": [_row_data(row, rows[row]) for row in rows]}


def _row_data(row: Row, results: Results) -> dict[str, Any]:
    return {
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "remark": row.remark,
        "goals": [
            {"at_most": g.at_most, "than": g.than, "reached": reached(row, g, results)}
            for g in row.goals
        ],
        "contenders": [
            {
                "name": contender.name,
                "kind": contender.kind.value,
                "figure": figure(row, results[contender.name]),
                "blocks": results[contender.name].blocks,
                "failure": results[contender.name].failure,
            }
            for contender in row.contenders
        ],
    }


def as_markdown(rows: Mapping[Row, Results]) -> str:
    """The table."""
    where = machine()
    lines = [
        f"{where['processor']}, {where['cores']} cores, {where['system']}, "
        f"Python {where['python']}, {where['date']}, load {where['load'][0]}. Medians; less is "
        "better.",
        "",
        "| what | ours | limits and peers | goal | reached |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(row, rows[row]) for row in rows]
    lines += ["", *(f"- **{row.what}:** {row.remark}" for row in rows if row.remark)]
    return "\n".join(lines) + "\n"


def _line(row: Row, results: Results) -> str:
    others = ", ".join(
        f"{contender.name} {_shown(row, results[contender.name])}"
        for contender in row.contenders[1:]
    )
    goals = "; ".join(_goal(row, goal) for goal in row.goals)
    met = "; ".join(_met(row, goal, results) for goal in row.goals)
    ours = _shown(row, results[row.ours.name])
    return f"| {row.what} | **{ours}** | {others} | {goals} | {met} |"


def _shown(row: Row, measured: Measured) -> str:
    value = figure(row, measured)
    return measured.failure or "–" if value is None else f"{value:.3g} {row.unit}"


def _goal(row: Row, goal: Goal) -> str:
    if goal.than is None:
        return f"≤ {goal.at_most:g} {row.unit}"
    return f"≤ {goal.at_most:g} × {goal.than}"


def _met(row: Row, goal: Goal, results: Results) -> str:
    value = reached(row, goal, results)
    if value is None:
        return "not measured"
    text = f"{value:.2g}" if goal.than is not None else f"{value:.3g} {row.unit}"
    return f"yes: {text}" if value <= goal.at_most else f"**no: {text}**"
