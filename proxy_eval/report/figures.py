"""The report's figures over all tasks: score against LR0, cost against quality, time to target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.report.summary import Line, title
from proxy_eval.scores import Reference
from proxy_eval.stats import Array

STYLES = (
    ("#0072B2", "-", "o"),
    ("#D55E00", "-", "s"),
    ("#009E73", "--", "^"),
    ("#000000", "-", "D"),
    ("#CC79A7", "--", "v"),
    ("#E69F00", "-.", "P"),
    ("#56B4E9", "-.", "X"),
)
"""Okabe and Ito's palette, which the colour-blind can read; dashes and markers do without it."""


def style(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each highlighted method is drawn in every figure."""
    return {
        label: {"color": color, "linestyle": dash, "marker": marker, "label": title(label), "zorder": 3}
        for label, (color, dash, marker) in zip(labels, STYLES, strict=False)
    }


def new(width: float, height: float) -> Any:
    """A figure of matplotlib without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def save(drawing: Any, path: Path) -> None:
    """Write it as PNG, without the date that would make every version another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=150, metadata={"Software": None})


def score_by_lr0(rows: pd.DataFrame, highlight: Sequence[str], path: Path) -> None:
    """One line per highlighted method: the mean over tasks and seeds at each distance from the best LR."""
    drawing = new(5.6, 5.2)
    axes = drawing.add_subplot()
    drawn = style(highlight)
    decades = sorted(rows["decade"].dropna().unique())
    for label in (name for name in drawn if (rows["label"] == name).any()):
        mine, look = rows[rows["label"] == label], drawn[label]
        if mine["decade"].notna().any():
            line = mine.groupby(["decade", "task"])["best"].mean().groupby("decade").mean()
            axes.plot(line.index, line, markersize=5, **look)
        elif len(decades):
            height = mine.groupby("task")["best"].mean().mean()
            axes.plot([decades[0], decades[-1]], [height] * 2, markersize=5, **look)
    axes.set_xlabel("initial LR, in decades from the best (flat lines: no LR0)")
    axes.set_ylabel("score (0: untrained, 1: oracle)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    drawing.legend(loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    save(drawing, path)


def cost_and_quality(lines: Sequence[Line], highlight: Sequence[str], path: Path) -> None:
    """Interquartile mean with its interval, and beside it the cost, one row per method."""
    drawing = new(9, 1.3 + 0.23 * len(lines))
    score, cost = drawing.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    drawn = style(highlight)
    for place, line in enumerate(lines):
        look = drawn.get(line.label, {"color": "#666666", "marker": "."})
        mark = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 6}
        found = line.iqm
        error = [[max(0.0, found.value - found.low)], [max(0.0, found.high - found.value)]]
        score.errorbar(found.value, place, xerr=error, elinewidth=1, **mark)
        cost.plot(line.cost, place, **mark)
    score.set_yticks(range(len(lines)), [line.title for line in lines], fontsize=9)
    score.set_ylim(len(lines) - 0.5, -0.5)
    highest = max([line.cost for line in lines if np.isfinite(line.cost)], default=1.0)
    ticks = [t for t in (1, 2, 3, 5, 10, 20) if t <= 1.2 * highest]
    cost.set_xscale("log")
    cost.set_xticks(ticks, [f"{t:g}" for t in ticks])
    cost.minorticks_off()
    score.set_xlabel("score over the grid (IQM and 95 % interval, tasks and seeds redrawn)")
    cost.set_xlabel("cost (a constant LR: 1)")
    for axes in (score, cost):
        axes.grid(alpha=0.3)
    save(drawing, path)


def times(rows: pd.DataFrame, found: Mapping[str, Reference], decades: list[float]) -> dict[str, Array]:
    """By method: charged passes until the target, per task and LR0; the median over seeds, inf if never."""
    reached = rows.apply(lambda row: _time(row, found[row["task"]].target), axis=1)
    timed = rows.assign(time=reached / rows["budget"])
    taken: dict[str, Array] = {}
    for label in timed["label"].unique():
        there = scores.array(timed, label, "time", decades=decades)
        shape = (*there.shape[:2], len(decades))
        there = np.broadcast_to(there, shape)
        taken[str(label)] = _median(there).ravel()
    return taken


def _median(times: Array) -> Array:
    """The median over the runs that are there, the slower one of two; inf where none is."""
    ordered = np.sort(times, axis=0)  # NaN comes last
    count = (~np.isnan(times)).sum(0)
    found = np.take_along_axis(ordered, (count // 2)[None] * (count > 0), axis=0)[0]
    median: Array = np.where(count > 0, found, np.inf)
    return median


def _time(row: pd.Series, target: float) -> float:
    curve = scores.validation_curve(row)
    hits = np.flatnonzero(curve >= target)
    return float(row["charged"][hits[0]]) if len(hits) else np.inf


def time_to_target(taken: Mapping[str, Array], highlight: Sequence[str], path: Path) -> None:
    """Performance profiles of the highlighted methods over all workloads (task and LR0)."""
    factors = np.linspace(1, 4, 121)
    profiles = stats.profile(taken, factors)
    drawing = new(5.6, 5.2)
    axes = drawing.add_subplot()
    drawn = style(highlight)
    for label in (name for name in drawn if name in profiles):
        axes.plot(factors, profiles[label], markevery=20, markersize=5, **drawn[label])
    axes.set_xlabel("time (charged passes) over the fastest method's")
    axes.set_ylabel("part of the workloads solved")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    drawing.legend(loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    save(drawing, path)
