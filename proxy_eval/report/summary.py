"""One line of numbers per method: what the main table and the sentences are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from proxy_eval import methods, scores, stats
from proxy_eval.stats import Array


@dataclass(frozen=True, kw_only=True)
class Line:
    """The numbers of one method over the grid (without the stress values), means over the tasks.

    Attributes:
        label, title: as asked for, and for readers.
        needs_lr0: whether it was run at several LR0s.
        iqm: interquartile mean of the checkpoint's scores, with its 95 % intervals.
        last: interquartile mean after the last step.
        within: interquartile mean of the checkpoint at equal total cost.
        regret: 1 - mean score.
        worst: regret at the grid's worst LR0.
        stress: regret at the LR0s outside the grid; NaN where there are none.
        default: regret at the LR0 nearest to the optimizer's default.
        sensitivity: mean loss of score against the method's own best LR0.
        trials: random LR0 trials after which cosine is worth as much.
        diverged: part of the runs whose last model is lost or worse than untrained.
        cost: charged passes over those of a constant LR, median.
        cpu: CPU seconds over those of a constant LR in the same cell, median.
        there, asked: runs that are there, and that were asked for.
    """

    label: str
    title: str
    needs_lr0: bool
    iqm: stats.Estimate
    last: float
    within: float
    regret: float
    worst: float
    stress: float
    default: float
    sensitivity: float
    trials: float
    diverged: float
    cost: float
    cpu: float
    there: int
    asked: int


def title(label: str) -> str:
    """What readers call a label."""
    return methods.METHODS[label].title if label in methods.METHODS else label


def lines(
    rows: pd.DataFrame, asked: pd.DataFrame, *, decades: list[float], seed: int, resamples: int
) -> list[Line]:
    """All methods, best interquartile mean first.

    Args:
        rows: from :func:`proxy_eval.scores.scored`, of one horizon.
        asked: from :func:`proxy_eval.asked.read`, of the same horizon and tasks.
        decades: the grid.
        seed, resamples: of the bootstrap.
    """
    rows = rows.assign(cpu_ratio=_cpu_ratio(rows))
    found = [_line(rows, asked, label, decades, seed, resamples) for label in rows["label"].unique()]
    return sorted(found, key=lambda line: -np.nan_to_num(line.iqm.value, nan=-1.0))


def _line(
    rows: pd.DataFrame, asked: pd.DataFrame, label: str, decades: list[float], seed: int, resamples: int
) -> Line:
    mine = rows[rows["label"] == label]
    inner = mine[mine["decade"].isna() | mine["decade"].isin(decades)]
    outer = mine[mine["decade"].notna() & ~mine["decade"].isin(decades)]
    best = scores.array(rows, label, "best", decades=decades)
    by_lr0 = stats.mean(best, (0,))  # (tasks, LR0s)
    defaults = scores.default_decade(rows)
    at_default = mine[mine["decade"].isna() | (mine["decade"] == mine["task"].map(defaults))]
    sound = inner[~inner["bad"]]
    return Line(
        label=label,
        title=title(label),
        needs_lr0=bool(mine["lr0"].notna().any()),
        iqm=stats.estimate(stats.iqm, best, seed=seed, resamples=resamples),
        last=float(stats.iqm(scores.array(rows, label, "last", decades=decades))),
        within=float(stats.iqm(scores.array(rows, label, "best_within", decades=decades))),
        regret=1 - float(stats.mean(stats.mean(by_lr0, (1,)), (0,))),
        worst=1 - float(stats.mean(_lowest(by_lr0), (0,))),
        stress=1 - _task_mean(outer),
        default=1 - _task_mean(at_default),
        sensitivity=float(stats.mean(_highest(by_lr0) - stats.mean(by_lr0, (1,)), (0,))),
        trials=_trials(rows, label, by_lr0, decades),
        diverged=float(inner["bad"].mean()) if len(inner) else np.nan,
        cost=float((sound["charged"].map(lambda c: c[-1]) / sound["budget"]).median()),
        cpu=float(sound["cpu_ratio"].median()),
        there=len(mine),
        asked=int((asked["label"] == label).sum()),
    )


def _lowest(by_lr0: Array) -> Array:
    return -_highest(-by_lr0)


def _highest(by_lr0: Array) -> Array:
    highest = np.max(np.where(np.isnan(by_lr0), -np.inf, by_lr0), axis=1)
    return np.where(np.isinf(highest), np.nan, highest)


def _task_mean(rows: pd.DataFrame) -> float:
    return float(rows.groupby("task")["best"].mean().mean()) if len(rows) else np.nan


def _cpu_ratio(rows: pd.DataFrame) -> pd.Series:
    """CPU seconds over those of a constant LR on the same task and seed, at the middle of the grid."""
    constant = rows[(rows["label"] == "constant") & (rows["decade"] == 0)]
    typical = constant.groupby(["task"])["cpu_seconds"].median()
    return rows["cpu_seconds"] / rows["task"].map(typical).astype(float)


def _trials(rows: pd.DataFrame, label: str, by_lr0: Array, decades: list[float]) -> float:
    tasks = sorted(rows["task"].unique())
    worth = stats.mean(by_lr0, (1,))
    oracle = rows[rows["of_oracle"] & rows["decade"].isin(decades)]
    both = [t for t, w in zip(tasks, worth, strict=True) if np.isfinite(w) and (oracle["task"] == t).any()]
    if not both:
        return np.nan
    target = float(np.mean([w for t, w in zip(tasks, worth, strict=True) if t in both]))
    trials = [oracle[oracle["task"] == t] for t in both]
    return trials_to_equal(
        target,
        [t["best"].to_numpy(float) for t in trials],
        [t["validated"].to_numpy(float) for t in trials],
    )


def expected_best(scores: npt.ArrayLike, chosen_by: npt.ArrayLike, trials: int) -> float:
    """What the best of some random trials is worth on average, when another measure chooses it.

    Args:
        scores: what a run is worth (test).
        chosen_by: the measure by which the best of the trials is taken (validation).
        trials: runs drawn with replacement.

    Example:
        >>> expected_best([0.0, 1.0], [0.1, 0.9], trials=2)
        0.75
    """
    values, measures = np.asarray(scores, dtype=float), np.asarray(chosen_by, dtype=float)
    order = np.argsort(np.nan_to_num(measures, nan=-np.inf), kind="stable")
    part = np.arange(len(values) + 1) / len(values)
    return float(values[order] @ np.diff(part**trials))


def trials_to_equal(
    target: float, scores: Sequence[Array], chosen_by: Sequence[Array], most: int = 64
) -> float:
    """How many random trials it takes to be worth ``target`` on average over the tasks; inf above ``most``.

    Args:
        target: the score to equal.
        scores, chosen_by: of the trials, one array per task, as for :func:`expected_best`.
    """
    for trials in range(1, most + 1):
        each = [expected_best(s, c, trials) for s, c in zip(scores, chosen_by, strict=True)]
        if float(np.mean(each)) >= target:
            return trials
    return math.inf
