"""What tables of trials hold: the numbers of the status and of the data card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_gen.samples import last, samples_of

LOSSES = ("val_loss", "raise_val_loss", "keep_val_loss", "lower_val_loss")


@dataclass
class Counts:
    """Runs, rows, samples, rows whose trunk or a branch diverged, seconds, and labels before and after."""

    runs: int = 0
    rows: int = 0
    samples: int = 0
    diverged: int = 0
    seconds: float = 0.0
    raw: Counter[str] = field(default_factory=Counter)
    label: Counter[str] = field(default_factory=Counter)

    def add(self, trials: pa.Table) -> None:
        """Count the rows of whole runs."""
        samples = samples_of(trials)
        ends = np.stack([last(trials[name]) for name in LOSSES])
        self.runs += pc.count_distinct(trials["run_id"]).as_py()
        self.rows += len(trials)
        self.samples += len(samples)
        self.diverged += int((~np.isfinite(ends)).any(axis=0).sum())
        self.seconds += pc.sum(trials["seconds"]).as_py() or 0.0
        self.raw.update(samples["raw"].to_pylist())
        self.label.update(samples["label"].to_pylist())

    def include(self, other: Counts) -> None:
        """Add what was counted elsewhere, of other runs."""
        for name in ("runs", "rows", "samples", "diverged", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.raw.update(other.raw)
        self.label.update(other.label)


def by_task(trials: pa.Table) -> dict[str, pa.Table]:
    """The rows of each task."""
    return {
        task: trials.filter(pc.equal(trials["task"], task)) for task in pc.unique(trials["task"]).to_pylist()
    }
