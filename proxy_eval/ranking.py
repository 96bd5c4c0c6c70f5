"""Who won, as a table and as the winner's model card."""

from __future__ import annotations

from typing import Any

import pandas as pd


def ranking(runs: pd.DataFrame, *, within_tasks: bool = True) -> pd.DataFrame:
    """Candidates by the mean of their runs' scores, best first.

    Args:
        runs: rows of :data:`PROXY_RUN`. A run without any finite metric counts as the worst score of
            its task.
        within_tasks: with several tasks, rank the scores within each (0 worst, 1 best) first; not needed
            where they are comparable.

    Returns:
        Indexed by candidate: ``mean``, ``std``, ``worst``.
    """
    scores = runs["score"].fillna(runs.groupby("task")["score"].transform("min")).fillna(0.0)
    if within_tasks and runs["task"].nunique() > 1:
        scores = scores.groupby(runs["task"]).rank(pct=True)
    grouped = scores.groupby(runs["candidate"])
    table = pd.DataFrame({"mean": grouped.mean(), "std": grouped.std(ddof=0), "worst": grouped.min()})
    return table.sort_values("mean", ascending=False, kind="stable")


def ranking_table(ranked: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The ranking with the mean at each initial LR, or of each task where there are several; aligned."""
    if runs["task"].nunique() > 1:
        of = runs.pivot_table(index="candidate", columns="task", values="score", aggfunc="mean")
        header = "".join(f"{str(task).removeprefix('dev_')[:11]:>12}" for task in of.columns)
    else:
        of = runs.pivot_table(index="candidate", columns="lr0", values="score", aggfunc="mean")
        header = "".join(f"{f'lr0 {lr0:g}':>12}" for lr0 in of.columns)
    lines = [f"{'candidate':>9}{'mean':>9}{'std':>9}{'worst':>9}{header}"]
    for name, row in ranked.iterrows():
        cells = "".join(f"{value:>12.4f}" for value in of.loc[str(name)])
        lines.append(f"{name:>9}{row['mean']:>9.4f}{row['std']:>9.4f}{row['worst']:>9.4f}{cells}")
    return "\n".join(lines)


def card(made: dict[str, Any], proxy: dict[str, Any], ranked: pd.DataFrame, winner: str) -> str:
    """The model card of the exported controller."""
    mine = ranked.loc[str(winner)]
    measure = "mean best metric" if proxy["rule"] == "mean" else "mean score at the end (0: untrained)"
    metrics = made["metrics"]
    held_out = ", ".join(
        f"{name.replace('_', ' ')} {metrics[name]:.3f}"
        for name in ("accuracy", "mcc", "weighted_accuracy", "regret", "calibration_error")
    )
    lr0s = ", ".join(f"{lr0:g}" for lr0 in proxy["lr0"])
    targets = (
        f"{made['targets']} targets"
        if made["teachers"] is None
        else f"the mean answers of other candidates (`{made['teachers']}`)"
    )
    return f"""# ARC controller

An autonomous learning-rate controller: reads the last one to three periods of training loss, validation
loss and learning rate, answers raise (x 1.618), keep or lower (x 0.618). 79,555 parameters.

```python
import arc
controller = arc.Controller.from_pretrained("this/directory", optimizer)
```

## Data

- {made["runs"]} trial runs of {", ".join(made["tasks"])}
- {made["training_samples"]} training and {made["held_out_samples"]} held-out samples (`{made["samples"]}`)

## Recipe

- {made["epochs"]} epochs, batch {made["batch_size"]}, Adam at {made["lr"]:g} ({made["schedule"]})
- hybrid loss ({made["binary"]:.0%} of it on raise alone) on {targets}; products in {made["precision"]}
- validation channel blanked in {made["blank"]:.0%} of the samples
- candidate {made["candidate"]} of {len(ranked)}, seed {made["candidate_seed"]}

## Scores

- held-out runs: {held_out}
- proxy: {", ".join(proxy["tasks"])} at scale {proxy["scale"]}, {proxy["optimizer"]}, initial LRs {lr0s},
  {proxy["repeats"]} runs each, {proxy["epochs"]} epochs, {proxy["policy"]} policy:
  {measure} {mine["mean"]:.4f},
  standard deviation {mine["std"]:.4f}, worst run {mine["worst"]:.4f}; chosen because: {proxy["choice"]}

## Limits

Needs an objective that stays the same (no GANs) and at least three periods to act on what it has seen.
It was trained on the tasks named above; how it does elsewhere is measured in the project's results.

Licence: Apache-2.0.
"""
