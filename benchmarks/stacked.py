"""Stacked trials against trials alone, as samples of two distributions: ``python -m benchmarks.stacked``.

For each task of the zoo that can be stacked, the same trials (initial weights and LRs, of one optimizer, from
the middle of the task's range) one by one and as one training. Batches, augmentation and dropout are drawn
from other streams in the two, so rows differ, and their distribution must not:

- Kolmogorov-Smirnov's test of each loss of a row, and chi-square of the labels: two samples;
- Wilcoxon's signed-rank test of the logarithms of the losses, trial by trial, which sees far less.

Of the tests of a task the least p-value is printed, times their number. What such tests see says
``--factor 1.5``, which compares the trials alone with themselves at so many times their LR instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from data_gen import samples, stacked, store, trial
from data_gen.trial_settings import Trial
from data_gen.unit import load
from tasks import registry
from tasks.base import Source
from tasks.together.twin import NotStackable

LOSSES = ("train_loss", "val_loss", "raise_val_loss", "keep_val_loss", "lower_val_loss")
LABELS = ("raise", "keep", "lower")

Rows = list[list[dict[str, Any]]]
"""Of each trial."""


def trials_of(task: str, count: int, steps: int, cycles: int, seed: int = 0) -> list[Trial]:
    """Trials that can be stacked: one optimizer, so many steps of an epoch, LRs at which little diverges."""
    ranges = registry.get(task).lr_range
    optimizer = min(ranges)
    low, high = ranges[optimizer]
    asked = Trial(
        task=task,
        scale="mini",
        source=Source(),
        index=0,
        seed=seed,
        optimizers=(optimizer,),
        lr_range=(low**0.7 * high**0.3, low**0.4 * high**0.6),
        period=1,
        max_period=1,
        cycles=cycles,
        epoch_steps=steps,
    )
    return [replace(asked, index=index) for index in range(count)]


def ways(trials: Sequence[Trial], factor: float = 1.0) -> dict[str, Callable[[], Rows]]:
    """How to make the rows of the trials: alone, as one training, and alone at ``factor`` times the LR."""
    task, data = load(trials[0].task, "mini", Source(), "cpu")
    print_ = data.fingerprint()

    def alone(chosen: Sequence[Trial] = trials) -> Rows:
        return [list(trial.rows(one, task, data, print_)) for one in chosen]

    def higher() -> Rows:
        low, high = trials[0].lr_range or (0.0, 0.0)
        return alone([replace(one, lr_range=(factor * low, factor * high)) for one in trials])

    def together() -> Rows:
        return [rows for _, rows in sorted(stacked.rows(trials, task, data, print_, "cpu", 0))]

    return {"alone": alone, "together": together, "higher": higher}


def p_values(one: Rows, other: Rows) -> dict[str, float]:
    """The p-value of each test."""
    found = {}
    for name in LOSSES:
        ends = [_ends(rows, name) for rows in (one, other)]
        finite = [values[np.isfinite(values)] for values in ends]
        found[f"{name}, two samples"] = float(stats.ks_2samp(*finite).pvalue)
        both = np.isfinite(ends[0]) & np.isfinite(ends[1])
        differences = np.log(ends[0][both]) - np.log(ends[1][both])
        if differences.any():
            found[f"{name}, in pairs"] = float(stats.wilcoxon(differences).pvalue)
    counts = np.array([[_labels(rows).count(label) for label in LABELS] for rows in (one, other)])
    # a label that neither has tells nothing
    found["labels"] = float(stats.chi2_contingency(counts[:, counts.any(0)] + 1e-9, correction=False).pvalue)
    return found


def _ends(rows: Rows, name: str) -> npt.NDArray[np.float64]:
    """The last value of a loss in the last row of each trial; NaN where there is none."""
    values = [made[-1][name] for made in rows]
    return np.array([value[-1] if value else np.nan for value in values], float)


def _labels(rows: Rows) -> list[str]:
    table = store.trial_table([row for made in rows for row in made], {})
    return [str(label) for label in samples.samples_of(table)["label"].to_pylist()]


def difference(one: Rows, other: Rows) -> tuple[float, float]:
    """Mean difference of the logarithms of the validation loss, trial by trial, and its standard error."""
    found = np.log(_ends(one, "val_loss")) - np.log(_ends(other, "val_loss"))
    found = found[np.isfinite(found)]
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)


def line(trials: Sequence[Trial], factor: float) -> tuple[str, dict[str, float]]:
    """A task's line of the table, and its p-values."""
    make = ways(trials, factor)
    alone = make["alone"]()
    other = make["together" if factor == 1.0 else "higher"]()
    found = p_values(other, alone)
    mean, error = difference(other, alone)
    least = min(found, key=lambda test: found[test])
    cells = [
        trials[0].task,
        f"{100 * mean:+.2f} ± {100 * error:.2f} %",
        f"{min(1.0, len(found) * found[least]):.2f} ({least})",
        f"{found['labels']:.2f}",
    ]
    return f"| {' | '.join(cells)} |", found


def main() -> int:
    """Measure, and print the table as Markdown; 1 where a task's rows are of another distribution."""
    possible = [name for name in registry.names("zoo") if registry.task_class(name).together]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default=",".join(possible), help="names, default: all that can")
    parser.add_argument("--trials", type=int, default=24, help="of each task, in each way")
    parser.add_argument("--steps", type=int, default=20, help="of an epoch, and so of each branch")
    parser.add_argument("--cycles", type=int, default=1, help="rows of a trial")
    parser.add_argument("--seed", type=int, default=0, help="of the trials")
    parser.add_argument("--factor", type=float, default=1.0, help="on the LR, in place of a stack")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | validation loss, stacked - alone | least p x tests | labels, p |")
    print("|---|---:|---|---:|")
    everything: list[float] = []
    for name in options.tasks.split(","):
        try:
            trials = trials_of(name, options.trials, options.steps, options.cycles, options.seed)
            text, found = line(trials, options.factor)
        except NotStackable as error:
            text, found = f"| {name} | cannot be stacked: {error} | | |", {}
        everything += found.values()
        print(text, flush=True)
    least = len(everything) * min(everything)
    low = np.mean(np.array(everything) < 0.05)
    print(
        f"\n{len(everything)} tests; {low:.1%} of p-values are below .05; the least times their number: "
        f"{min(1.0, least):.2g}."
    )
    return int(least < 0.01)


if __name__ == "__main__":
    sys.exit(main())
