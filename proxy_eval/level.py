"""The choice among candidates on several tasks, where "no difference between the first k" is an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from proxy_eval import stats


def last_scores(runs: pd.DataFrame) -> pd.Series:
    """What each run was worth at its end, comparable over tasks.

    Args:
        runs: rows of :data:`proxy_eval.proxy_run.PROXY_RUN`.

    Returns:
        (last - untrained) / (the task's best last - untrained). A run that was lost, or ends below the
        untrained net, counts as that net: 0.
    """
    gain = (runs["last"] - runs["untrained"]).fillna(0.0).clip(lower=0.0)
    best = gain.groupby(runs["task"]).transform("max")
    return (gain / best.where(best > 0, 1.0)).rename("score")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which candidate, and why.

    Attributes:
        name: the candidate.
        level: the first of the ranking that no interval tells apart from the best, best first.
        redrawn: what the intervals redraw.
        rivals: how many other candidates there are.
    """

    name: str
    level: tuple[str, ...]
    redrawn: stats.Redraw
    rivals: int

    def __str__(self) -> str:
        """The sentence for readers."""
        if not self.rivals:
            return f"candidate {self.name} is the only one"
        if len(self.level) == 1:
            return f"candidate {self.name} is the best, clear of the next (95 %, {self.redrawn} redrawn)"
        return (
            f"no difference between the first {len(self.level)} ({', '.join(self.level)}; 95 %, "
            f"{self.redrawn} redrawn): candidate {self.name} has the lowest held-out regret, then index"
        )


def choose(runs: pd.DataFrame, ranked: list[str], regret: Mapping[str, float], *, seed: int) -> Choice:
    """The candidate of the lowest held-out regret among the first that are level, then the lowest index.

    A candidate is level with the best unless the interval of the mean difference lies above 0; the first
    that is not ends the list. With one task only seeds can be redrawn; with one repeat nothing can, so
    nothing tells the candidates apart.

    Args:
        runs: with ``score``, one row per candidate, task, LR0 and repeat.
        ranked: candidates, best first.
        regret: of each candidate on held-out samples.
        seed: of the bootstrap.
    """
    redraw: stats.Redraw = "tasks and seeds" if runs["task"].nunique() > 1 else "seeds"
    best, level = _array(runs, ranked[0]), ranked[:1]
    for name in ranked[1:]:
        low, _ = stats.interval(_difference, best, _array(runs, name), seed=seed, redraw=redraw)
        if low > 0:
            break
        level.append(name)
    name = min(level, key=lambda one: (regret[one], int(one) if one.isdecimal() else 0, one))
    return Choice(name=name, level=tuple(level), redrawn=redraw, rivals=len(ranked) - 1)


def _difference(first: stats.Array, second: stats.Array) -> stats.Array:
    return stats.mean(first - second, (-3, -2, -1))


def _array(runs: pd.DataFrame, candidate: str) -> stats.Array:
    """(repeats, tasks, LR0s); the LR0s of each task in ascending order."""
    mine = runs[runs["candidate"] == candidate].sort_values(["repeat", "task", "lr0"])
    repeats, tasks = mine["repeat"].nunique(), mine["task"].nunique()
    return np.asarray(mine["score"], dtype=float).reshape(repeats, tasks, -1)
