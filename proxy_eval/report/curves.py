"""One figure per task: median runs of the highlighted methods, and ARC's decisions on its loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from proxy_eval.report.figures import new, save, style

DECADES = (-1.0, 0.0, 1.0)
SHOWN, TIMES = 0.9, 4.0
"""An axis holds at most this part of the losses, and this many times what the median is above the best."""
LOWEST = 100.0
"""A schedule that ends at 0 is drawn down to the lowest LR0 divided by this."""
MARKS = {"raise": "^", "keep": "|", "lower": "v"}


def median_run(rows: pd.DataFrame) -> pd.Series | None:
    """The run whose score is the median (the lower one of two), None if there is no run."""
    if rows.empty:
        return None
    ordered = rows.sort_values(["best", "seed"])
    return ordered.iloc[(len(ordered) - 1) // 2]


def curves(rows: pd.DataFrame, task: str, highlight: Sequence[str], arc: str, path: Path) -> list[str]:
    """Draw validation loss and LR at three LR0s; returns the methods that could be drawn."""
    mine = rows[rows["task"] == task]
    shown = [d for d in DECADES if (mine["decade"] == d).any()] or sorted(mine["decade"].dropna().unique())[
        :3
    ]
    drawing = new(10, 5.6)
    panels = drawing.subplots(2, len(shown), sharex=True, sharey="row", squeeze=False)
    looks = style(highlight)
    drawn: dict[str, None] = {}
    losses: list[float] = []
    for column, decade in enumerate(shown):
        loss, lr = panels[:, column]
        for label in highlight:
            of_label = mine[mine["label"] == label]
            run = median_run(of_label[of_label["decade"].isna() | (of_label["decade"] == decade)])
            if run is None:
                continue
            name = None if label in drawn else looks[label]["label"]  # one may be missing in the first column
            drawn[label] = None
            look = {k: v for k, v in looks[label].items() if k not in ("marker", "label")}
            epochs = np.arange(1, len(run["val_loss"]) + 1)
            loss.plot(epochs, run["val_loss"], linewidth=1.4, label=name, **look)
            lr.plot(epochs, run["lr"], linewidth=1.4, **look)
            losses += list(run["val_loss"])
            if label == arc:
                _mark(loss, run, looks[label]["color"])
        loss.set_title(f"LR0 {10**decade:g} x the best" if decade else "LR0: the best", fontsize=10)
        lr.set_yscale("log")
        lr.set_xlabel("epoch")
        lr.xaxis.get_major_locator().set_params(integer=True)
        for axes in (loss, lr):
            axes.grid(alpha=0.3)
    panels[0, 0].set_ylabel("validation loss")
    panels[1, 0].set_ylabel("LR")
    _limit(panels[0, 0], losses)
    starts = mine[mine["decade"].isin(shown)]["lr0"]
    panels[1, 0].set_ylim(bottom=max(panels[1, 0].get_ylim()[0], starts.min() / LOWEST))
    drawing.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    save(drawing, path)
    return list(drawn)


def _mark(axes: Any, run: pd.Series, color: str) -> None:
    values = np.asarray(run["val_loss"], dtype=float)
    for epoch, action in zip(run["decision_epoch"], run["decision"], strict=True):
        if 1 <= epoch <= len(values):
            axes.plot(epoch, values[epoch - 1], marker=MARKS[action], color=color, markersize=7, zorder=4)


def _limit(axes: Any, losses: Sequence[float]) -> None:
    """Most of what is drawn fills the axis; losses far above, of a run that breaks, leave it."""
    finite = np.array([loss for loss in losses if np.isfinite(loss)])
    if len(finite):
        low = float(finite.min())
        high = min(float(np.quantile(finite, SHOWN)), low + TIMES * (float(np.median(finite)) - low))
        if high > low:
            axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
