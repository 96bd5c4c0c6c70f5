"""The table of the paper: the median test metric of each method at each LR0."""

from __future__ import annotations

import math

import pandas as pd

from proxy_eval.plan import ORACLE
from proxy_eval.report.cells import lr0
from proxy_eval.report.page import Block, Heading, Table, Text
from proxy_eval.report.summary import title


def medians(rows: pd.DataFrame) -> list[Block]:
    """One table per task, of the checkpoints with the lowest validation loss, and who was best where."""
    blocks: list[Block] = []
    for task, mine in rows[rows["label"] != ORACLE].groupby("task"):
        metric, higher = str(mine["metric"].iloc[0]), bool(mine["higher_is_better"].iloc[0])
        worst = -math.inf if higher else math.inf
        values = mine["best_test_metric"].where(mine["failure"].isna(), worst).fillna(worst)
        mine = mine.assign(value=values)
        lrs = sorted({float(lr) for lr in mine["lr0"].dropna()}, reverse=True)
        cells = {str(label): _by_lr0(runs, lrs) for label, runs in mine.groupby("label")}
        pick = max if higher else min
        columns = [{label: _ranked(line[i], worst) for label, line in cells.items()} for i in range(len(lrs))]
        best = [pick(column, key=column.__getitem__) for column in columns]
        runs = int(mine.groupby(["label", "lr0"], dropna=False).size().max())
        blocks += [
            Heading(f"{task}: {metric} on test data"),
            Table(
                ["method", *(f"LR0 {lr0(lr)}" for lr in lrs)],
                [[title(label), *(f"{value:.4g}" for value in line)] for label, line in cells.items()],
            ),
            Text(
                f"Medians of up to {runs} runs. Best: "
                + "; ".join(f"{title(label)} at LR0 {lr0(lr)}" for label, lr in zip(best, lrs, strict=True))
                + "."
            ),
        ]
    return blocks


def _by_lr0(runs: pd.DataFrame, lrs: list[float]) -> list[float]:
    """The median at each LR0; a method without LR0 has the same runs at each."""
    if runs["lr0"].isna().all():
        return [float(runs["value"].median())] * len(lrs)
    return [float(runs["value"][runs["lr0"] == lr].median()) for lr in lrs]


def _ranked(value: float, worst: float) -> float:
    return worst if math.isnan(value) else value
