"""What sets of trials cost: ``python -m benchmarks.scale [--trials DIRECTORY]`` prints docs/scale.md's table.

Seconds and bytes a row are measured on the trials given; the other unit costs are those that
``benchmarks.reading`` measured, in CPU seconds of one core.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from data_gen import reading, schema, store
from data_gen.counts import Counts, by_task

WINDOW_BYTES = 3600
"""A float32 window of 300 x 3."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Costs of one row on one core, in seconds and bytes."""

    trial_seconds: float
    trial_bytes: float
    rows_per_run: float
    label_seconds: float
    sample_bytes: float
    window_seconds: float
    epoch_seconds: float
    cores: int
    epochs: int
    candidates: int


def measured(directory: str) -> tuple[dict[str, Counts], float]:
    """What is there of each task, and the bytes a row of all of them."""
    tasks: dict[str, Counts] = {}
    paths = store.parts(directory)
    rows = 0
    for _, trials in reading.stream(paths, schema.TRIAL):
        if isinstance(trials, Exception):
            raise trials
        rows += len(trials)
        for task, table in by_task(trials).items():
            tasks.setdefault(task, Counts()).add(table)
    return tasks, sum(Path(path).stat().st_size for path in paths) / rows


def table(unit: Unit) -> str:
    """The costs of 10 thousand, 1 million and 100 million rows, as Markdown."""
    rows = (10**4, 10**6, 10**8)
    day = unit.trial_seconds / unit.cores / 86400
    window = 2 * WINDOW_BYTES / 1e9
    fit = unit.epoch_seconds * unit.epochs / 3600
    lines = {
        "trials: core hours": [f"{n * unit.trial_seconds / 3600:,.0f}" for n in rows],
        f"trials: {unit.cores}-core machines for a day": [f"{max(1, n * day):,.0f}" for n in rows],
        "trials: files": [f"{n / unit.rows_per_run:,.0f}" for n in rows],
        "trials: GB": [f"{n * unit.trial_bytes / 1e9:,.2f}" for n in rows],
        "label: core minutes": [f"{n * unit.label_seconds / 60:,.1f}" for n in rows],
        "samples: GB": [f"{n * unit.sample_bytes / 1e9:,.2f}" for n in rows],
        "training: core minutes to featurise": [f"{n * unit.window_seconds / 60:,.1f}" for n in rows],
        "training: GB of windows and their split": [f"{n * window:,.1f}" for n in rows],
        f"training: core hours, one candidate x {unit.epochs} epochs": [f"{n * fit:,.0f}" for n in rows],
        f"training: core hours, {unit.candidates} candidates": [
            f"{n * fit * unit.candidates:,.0f}" for n in rows
        ],
    }
    head = "| | 10 thousand rows | 1 million | 100 million |\n|---|---:|---:|---:|"
    return "\n".join([head, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in lines.items())])


def main() -> int:
    """Measure, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", default="runs/trials", help="a local directory of trials")
    parser.add_argument("--label-ms", type=float, required=True, help="label: CPU ms a row")
    parser.add_argument("--sample-bytes", type=float, required=True, help="bytes of a sample's Parquet")
    parser.add_argument("--window-ms", type=float, required=True, help="featurise: CPU ms a sample")
    parser.add_argument("--epoch-ms", type=float, required=True, help="fit: CPU ms a sample and epoch")
    parser.add_argument("--cores", type=int, default=16, help="of one machine")
    options = parser.parse_args()
    tasks, size = measured(options.trials)
    runs, rows = sum(t.runs for t in tasks.values()), sum(t.rows for t in tasks.values())
    means = {name: t.seconds / t.rows for name, t in sorted(tasks.items())}
    print("| task | rows | seconds a row |\n|---|---:|---:|")
    print("\n".join(f"| {name} | {tasks[name].rows} | {mean:.2f} |" for name, mean in means.items()))
    average = sum(means.values()) / len(means)
    print(f"\nMean of the tasks: {average:.2f} s a row; {size:.0f} bytes a row.\n")
    unit = Unit(
        trial_seconds=average,
        trial_bytes=size,
        rows_per_run=rows / runs,
        label_seconds=options.label_ms / 1e3,
        sample_bytes=options.sample_bytes,
        window_seconds=options.window_ms / 1e3,
        epoch_seconds=options.epoch_ms / 1e3,
        cores=options.cores,
        epochs=300,
        candidates=10,
    )
    print(table(unit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
