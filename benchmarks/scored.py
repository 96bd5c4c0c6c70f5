"""The scored runs of a comparison as the bars of :mod:`benchmarks.bars` see them, and statistics in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.stats import Array


class Comparison:
    """The scored runs of one horizon, and arrays (runs, tasks, LR0s) of them."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.tasks = sorted(rows["task"].unique())
        self.core = scores.core(rows)
        every = sorted(rows["decade"].dropna().unique())
        self.stress = [float(d) for d in every if d not in self.core]
        self.labels = set(rows["label"])

    def array(self, label: str, decades: list[float], column: str = "best") -> Array:
        """Scores of a method."""
        return scores.array(self.rows, label, column, decades=decades)


def worst(array: Array) -> Array:
    """Mean over tasks of the lowest LR0's mean over runs; leading axes are kept."""
    lowest: Array = np.nanmean(array, -3).min(-1).mean(-1)
    return lowest


def mean(array: Array) -> Array:
    """Of all runs, tasks and LR0s; leading axes are kept."""
    return stats.mean(array, (-3, -2, -1))


def span(statistic: Callable[..., Array], array: Array, digits: int = 2) -> str:
    """Both intervals of a statistic."""
    found = stats.estimate(statistic, array, seed=0)
    whole = f"[{found.low:.{digits}f}, {found.high:.{digits}f}]"
    return f"{whole}, seeds only [{found.seeds_low:.{digits}f}, {found.seeds_high:.{digits}f}]"


def within_task(difference: Array) -> float:
    """The upper end of the mean of one task, where only seeds can be redrawn."""
    return stats.interval(mean, difference, seed=0, redraw="seeds")[1]


def below(found: Comparison, array: Array, bound: float) -> str:
    """The tasks whose mean score is below a bound."""
    of = zip(found.tasks, np.nanmean(array, (0, 2)).tolist(), strict=True)
    listed = ", ".join(f"{task} {score:.3f}" for task, score in of if score < bound)
    return f"; below {bound:g}: {listed or 'none'}"
