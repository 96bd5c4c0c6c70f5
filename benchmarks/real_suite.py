"""The results of the real suite: ``python -m benchmarks.real_suite runs/real`` prints them as Markdown.

The test metric after the last step, by task, method and initial LR, and how much of what the tuned schedule
gains a run gained: 0 is the untrained net, 1 the mean of the suite's cosine with warmup at its best LR.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from proxy_eval import stats, suite
from proxy_eval.plan import ORACLE
from proxy_eval.report import curves
from proxy_eval.report.rows import load
from proxy_eval.report.summary import title
from proxy_eval.scores import quality

REFERENCE = "warmup_cosine"
DRAWN = ("arc_anneal_rollback", REFERENCE, "arc_rollback", "schedule_free", "prodigy_cosine")
"""In the pictures, as far as they were run; the decisions of the first are marked."""


def scored(runs: pd.DataFrame, best_lrs: Mapping[str, float]) -> pd.DataFrame:
    """The runs of tasks that have a reference, with ``decade`` (from the best LR) and ``score``.

    Args:
        runs: rows of a comparison; those of the oracle's selection are left out.
        best_lrs: the suite's, by task.
    """
    runs = runs[(runs["label"] != ORACLE) & runs["task"].isin(list(best_lrs))].copy()
    off = np.log10(runs["lr0"].astype(float) / runs["task"].map(best_lrs))
    runs["decade"] = off.round(1) + 0.0
    last = quality(runs, runs["last_test_metric"], runs["last_test_loss"])
    start = quality(runs, runs["untrained_test_metric"], runs["untrained_test_loss"])
    tuned = (runs["method"] == REFERENCE) & (runs["decade"] == 0)
    reference = runs["task"].map(last[tuned].groupby(runs["task"][tuned]).mean())
    runs["score"] = ((last - start) / (reference - start)).clip(lower=0.0)
    runs.loc[runs["failure"].notna() | runs["diverged"].astype(bool) | last.isna(), "score"] = 0.0
    return runs[reference.notna()]


NONE = "no LR to set"
"""The column of the methods that have none."""


def summary(runs: pd.DataFrame) -> list[str]:
    """A row per method: the mean score over the tasks from every LR0, and what a run cost.

    Behind a mean of two seeds or more is its interval of 95 %, with tasks and seeds redrawn.
    Time is the CPU time of a run beside the reference's on the same task, memory the process's peak; both are
    medians.
    """
    decades = _decades(runs)
    head = ["method", *map(_column, decades), "CPU time", "memory, MB", "seeds"]
    reference = runs[(runs["method"] == REFERENCE) & (runs["decade"] == 0)]
    seconds = runs["task"].map(reference.groupby("task")["cpu_seconds"].mean())
    runs = runs.assign(time=runs["cpu_seconds"] / seconds)
    lines = [_row(head), _row(["---"] + ["--:"] * (len(head) - 1))]
    for label, rows in runs.groupby("label"):
        off = rows["decade"].fillna(math.inf)
        means = [_mean(rows[off == d], runs["task"].nunique()) for d in decades]
        cost = [f"{rows['time'].median():.2f}", f"{rows['peak_memory'].median() / 1e6:.0f}"]
        lines.append(_row([title(str(label)), *means, *cost, str(rows["seed"].nunique())]))
    return lines


def tables(runs: pd.DataFrame) -> list[str]:
    """One row per task and method: the metric, and in brackets the score."""
    decades = _decades(runs)
    head = ["task", "metric", "method", *map(_column, decades)]
    lines = [_row(head), _row(["---"] * 3 + ["--:"] * len(decades))]
    for task, mine in runs.groupby("task"):
        metric = (
            f"{mine['metric'].iloc[0].replace('_', ' ')} {'↑' if mine['higher_is_better'].iloc[0] else '↓'}"
        )
        for label, rows in mine.groupby("label"):
            lines.append(_row([f"`{task}`", metric, title(str(label)), *_cells(rows, decades)]))
    return lines


def _decades(runs: pd.DataFrame) -> list[float]:
    """The columns: decades from the best LR, infinite for methods that have no LR to set."""
    found = sorted(runs["decade"].dropna().unique())
    return [*found, math.inf] if runs["decade"].isna().any() else found


def _column(decade: float) -> str:
    if math.isinf(decade):
        return NONE
    return f"{decade:+g} decades" if decade else "the best LR"


def _cells(rows: pd.DataFrame, decades: Sequence[float]) -> list[str]:
    found = []
    for decade in decades:
        mine = rows[rows["decade"].fillna(math.inf) == decade]
        value = f"{mine['last_test_metric'].mean():.4g} ({mine['score'].mean():.3f})"
        found.append(value if len(mine) else "")
    return found


def _mean(rows: pd.DataFrame, tasks: int) -> str:
    """The mean over tasks; nothing where a task is missing, which would be another mean.

    The seeds that not all tasks have are left out.
    """
    by_seed = rows.pivot_table(index="seed", columns="task", values="score").dropna()
    if by_seed.shape[1] < tasks or by_seed.empty:
        return ""
    scores = by_seed.to_numpy()[..., None]
    low, high = stats.interval(lambda drawn: 1 - stats.regret(drawn), scores, seed=0)
    return f"{scores.mean():.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and what the runs took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", help="directory of python -m proxy_eval.compare experiment=real")
    parser.add_argument("--figures", type=Path, help="directory for one picture per training")
    options = parser.parse_args(arguments)
    best_lrs = {entry.name: entry.best_lr for entry in suite.read("real_suite") if entry.best_lr}
    runs = scored(load(options.comparison).rows, best_lrs)
    print("\n".join([*summary(runs), "", *tables(runs)]))
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        for task in runs["task"].unique():
            shown = [label for label in DRAWN if label in set(runs["label"])]
            path = options.figures / f"{task}.png"
            curves.curves(runs.assign(best=runs["score"]), task, shown, DRAWN[0], path)
    minutes, memory = runs["cpu_seconds"].median() / 60, runs["peak_memory"].median() / 1e6
    print(f"\n{len(runs)} runs; CPU minutes of one, median: {minutes:.1f}; peak memory: {memory:.0f} MB")


if __name__ == "__main__":
    main()
