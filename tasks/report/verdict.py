"""Is a task alive? The rule, on the curves of its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

CLEAR = 0.1
"""Of the untrained-to-best gap: what a clear difference needs beside two seed deviations."""
BELOW_CEILING = 0.97
FIRST_EPOCH = 0.6
IMPROVING_EPOCHS = 8


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the report says of one task with one optimizer; metrics are means over seeds, at the last epoch.

    Attributes:
        task: name.
        optimizer: name.
        metric: the task's metric.
        seconds: CPU seconds of one epoch of training on one thread, the median.
        untrained: metric before training.
        baseline: metric of the best of the majority and the linear baseline.
        lrs: the grid.
        finals: the metric of each of its LRs (NaN: diverged).
        deviations: its standard deviation over the seeds.
        best_lr: the LR with the best final metric.
        best: its final metric.
        ceiling: the metric's bound, or its best value at ten times the epochs.
        first_epoch: share of the gain from untrained to best that epoch 1 brings.
        improving: epochs that improve the best validation loss so far.
        last_improvement: the epoch after which the validation loss stops falling.
        fails_from: lowest LR above the best from which every LR loses more than half of the gain
            (NaN: none).
    """

    task: str
    optimizer: str
    metric: str
    seconds: float
    untrained: float
    baseline: float
    lrs: list[float]
    finals: list[float]
    deviations: list[float]
    best_lr: float
    best: float
    ceiling: float
    first_epoch: float
    improving: float
    last_improvement: float
    fails_from: float

    @property
    def _deviation(self) -> float:
        return self.deviations[self.lrs.index(self.best_lr)]

    def _clear(self, other: float) -> bool:
        """Is the best LR clearly better than ``other``, in the metric's direction?"""
        gap = self.best - self.untrained
        lead = (self.best - other) * math.copysign(1.0, gap)
        return math.isnan(other) or lead > max(2 * self._deviation, CLEAR * abs(gap))

    def checks(self) -> dict[str, bool]:
        """Every condition of being alive, by name."""
        worst = min(self.finals, key=lambda v: -math.inf if math.isnan(v) else v * self._sign)
        reached = (self.best - self.untrained) / (self.ceiling - self.untrained)
        if self._sign > 0:  # a bounded metric: the bound itself, not the way to it
            reached = self.best / self.ceiling
        return {
            "above baseline": self._clear(self.baseline),
            "below ceiling": reached < BELOW_CEILING,
            "not at once": self.first_epoch < FIRST_EPOCH,
            "keeps improving": self.improving >= IMPROVING_EPOCHS,
            "LR matters": self._clear(worst),
            "too high fails": not math.isnan(self.fails_from),
        }

    @property
    def _sign(self) -> float:
        return math.copysign(1.0, self.best - self.untrained)

    def row(self) -> dict[str, Any]:
        """A row of report.parquet."""
        checks = self.checks()
        return asdict(self) | {
            "alive": all(checks.values()),
            "failed": [k for k, ok in checks.items() if not ok],
        }


def judge(
    runs: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    higher_is_better: bool,
    baseline: float,
    epochs: int,
    ceiling: float = 1.0,
) -> Verdict:
    """The verdict on the runs of one task with one optimizer.

    Args:
        runs: rows as :mod:`tasks.report.runs` writes them, several LRs with the same number of seeds.
        metric: its name.
        higher_is_better: its direction.
        baseline: its value for the best baseline.
        epochs: asked of each run.
        ceiling: its bound, or its best value at ten times the epochs.
    """
    sign = 1.0 if higher_is_better else -1.0
    lrs = sorted({float(run["lr"]) for run in runs})
    by_lr = {lr: [run for run in runs if run["lr"] == lr] for lr in lrs}
    scores = {lr: [final(run, epochs) for run in group] for lr, group in by_lr.items()}
    means = {lr: float(np.mean(values)) for lr, values in scores.items()}
    untrained = float(np.mean([run["val_metric"][0] for run in runs]))
    ranked = {lr: -math.inf if math.isnan(v) else v * sign for lr, v in means.items()}
    best_lr = max(lrs, key=ranked.__getitem__)
    best, gap = means[best_lr], ranked[best_lr] - untrained * sign
    fails_from = math.nan
    for lr in reversed([lr for lr in lrs if lr > best_lr]):
        if ranked[lr] - untrained * sign > gap / 2:
            break
        fails_from = lr
    at_best = by_lr[best_lr]
    records = [new_bests(run["val_loss"]) for run in at_best]
    return Verdict(
        task=runs[0]["task"],
        optimizer=runs[0]["optimizer"],
        metric=metric,
        seconds=float(np.median([s for run in runs for s in run["seconds"]])),
        untrained=untrained,
        baseline=baseline,
        lrs=lrs,
        finals=[means[lr] for lr in lrs],
        deviations=[float(np.std(scores[lr], ddof=len(scores[lr]) > 1)) for lr in lrs],
        best_lr=best_lr,
        best=best,
        ceiling=ceiling,
        first_epoch=(float(np.mean([run["val_metric"][1] for run in at_best])) * sign - untrained * sign)
        / gap,
        improving=float(np.mean([len(r) for r in records])),
        last_improvement=float(np.mean([r[-1] if r else 0 for r in records])),
        fails_from=fails_from,
    )


def final(run: Mapping[str, Any], epochs: int) -> float:
    """The metric after the last epoch; NaN where the run did not get there."""
    return float(run["val_metric"][-1]) if len(run["val_metric"]) == epochs + 1 else math.nan


def new_bests(val_loss: Sequence[float]) -> list[int]:
    """The epochs, counted from 1, whose validation loss is below all before (the untrained one's too)."""
    best = val_loss[0]
    found = []
    for epoch, loss in enumerate(val_loss[1:], 1):
        if loss < best:
            best = loss
            found.append(epoch)
    return found
