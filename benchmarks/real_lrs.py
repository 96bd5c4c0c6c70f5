"""The LRs of the real suite: ``python -m benchmarks.real_lrs runs/real`` prints what the oracle's runs found.

One row of Markdown per task and LR0 of the runs labelled ``oracle`` (cosine with 5 % warmup, one seed), and
under each task the zoo's conditions of being alive (:mod:`tasks.report.verdict`) as far as these runs tell:
with one seed and a falling LR.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import pandas as pd

from proxy_eval.plan import ORACLE
from proxy_eval.report.rows import load
from tasks.report.verdict import Verdict, judge

UNKNOWN = {"above baseline", "below ceiling"}
"""Conditions that need a linear baseline or a training of ten times the length."""


def verdict(runs: pd.DataFrame) -> Verdict:
    """Of the oracle's runs of one task."""
    first = runs.iloc[0]
    rows = [
        {
            "task": run["task"],
            "optimizer": run["optimizer"],
            "lr": run["lr0"],
            "val_loss": [run["untrained_val_loss"], *run["val_loss"]],
            "val_metric": [run["untrained_val_metric"], *run["val_metric"]],
            "seconds": [run["cpu_seconds"] / run["epochs"]],
        }
        for _, run in runs.iterrows()
    ]
    return judge(
        rows,
        metric=first["metric"],
        higher_is_better=bool(first["higher_is_better"]),
        baseline=math.nan,
        epochs=int(first["epochs"]),
        ceiling=1.0 if first["higher_is_better"] else -math.inf,
    )


def lines(runs: pd.DataFrame) -> list[str]:
    """The rows of one task, and its verdict."""
    found = verdict(runs)
    rows = []
    for _, run in runs.sort_values("lr0").iterrows():
        best = " **best**" if run["lr0"] == found.best_lr else ""
        test = f"{run['last_test_metric']:.4g} | {run['untrained_test_metric']:.4g}"
        rows.append(
            f"| `{run['task']}` | {run['lr0']:.3g}{best} | {run['val_loss'][-1]:.3f} | "
            f"{run['val_metric'][-1]:.4g} | {test} | "
            f"{run['cpu_seconds']:.0f} | {run['peak_memory'] / 1e6:.0f} |"
        )
    checks = {name: ok for name, ok in found.checks().items() if name not in UNKNOWN}
    held = ", ".join(name for name, ok in checks.items() if ok)
    missed = ", ".join(name for name, ok in checks.items() if not ok)
    said = f"{found.task}, {len(runs)} LRs: holds {held or 'nothing'}; does not show {missed or 'nothing'}"
    return [*rows, f"<!-- {said} -->"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", help="directory of python -m proxy_eval.compare experiment=real_lrs")
    runs = load(parser.parse_args(arguments).comparison).rows
    runs = runs[runs["label"] == ORACLE]
    print("| task | LR0 | val loss | val metric | test metric | untrained | CPU s | peak memory, MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for _, of_task in runs.groupby("task"):
        print("\n".join(lines(of_task)))


if __name__ == "__main__":
    main()
