"""The best LR of each task of a suite: cosine's, on validation data, over half decades of the task's range.

``python -m benchmarks.suite_lrs configs/suite.yaml`` trains every task over the grid and prints, as
Markdown, the final validation metric per LR, the best LR, the test metric there and at the ends of the
comparison's LR grid, and the seconds of an epoch. The found LRs are ``best_lr`` in the same file.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from proxy_eval import methods
from tasks import registry
from tasks.base import Source, Splits, Task
from tasks.loop import TaskRun


@dataclass(frozen=True)
class Result:
    """One LR of one task: means and deviations over seeds, at the last epoch; minus what should be low."""

    lr: float
    val: float
    val_deviation: float
    test: float
    test_deviation: float
    seconds: float


def half_decades(low: float, high: float) -> list[float]:
    """The powers of the root of ten between two LRs, both included."""
    first, last = round(2 * math.log10(low)), round(2 * math.log10(high))
    return [10 ** (k / 2) for k in range(first, last + 1)]


def tried(
    task: Task, data: Splits, optimizer: str, lr: float, *, schedule: str, epochs: int, seeds: int
) -> Result:
    """Train at one LR; a run that breaks off counts as its untrained self."""
    val, test, seconds = [], [], []
    sign = 1 if task.higher_is_better else -1
    for seed in range(1000, 1000 + seeds):  # not the comparison's seeds
        run = TaskRun(task, data, optimizer=optimizer, lr=lr, seed=seed)
        untrained = {split: _metric(run, split) for split in ("val", "test")}
        steps = epochs * run.steps_per_epoch
        began = time.thread_time()
        for losses in methods.make(schedule, run, steps).drive(run, steps):
            run.validate()
            if not all(map(math.isfinite, losses)):
                break
        seconds.append((time.thread_time() - began) / epochs)
        found = {split: _metric(run, split) for split in ("val", "test")}
        val.append(sign * (found["val"] if math.isfinite(found["val"]) else untrained["val"]))
        test.append(sign * (found["test"] if math.isfinite(found["test"]) else untrained["test"]))
    return Result(
        lr, *(float(f(v)) for v in (val, test) for f in (np.mean, np.std)), seconds=float(np.median(seconds))
    )


def _metric(run: TaskRun, split: str) -> float:
    metric = run.evaluate(split).metric
    assert metric is not None
    return metric


def lines(
    name: str, optimizer: str, *, schedule: str, epochs: int, seeds: int, grid: tuple[float, float] | None
) -> list[str]:
    """The Markdown rows of one task, one per LR: of its whole range, or between two LRs."""
    task = registry.get(name)
    data = task.load(Source())
    lrs = half_decades(*(grid or task.lr_range[optimizer]))
    results = [tried(task, data, optimizer, lr, schedule=schedule, epochs=epochs, seeds=seeds) for lr in lrs]
    best = max(results, key=lambda r: r.val)
    return [
        f"| {name} | {optimizer} {schedule} | {r.lr:.2e}{' *' if r is best else ''} "
        f"| {abs(r.val):.4f} ± {r.val_deviation:.4f} | {abs(r.test):.4f} ± {r.test_deviation:.4f} "
        f"| {r.seconds:.3f} |"
        for r in results
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="YAML file with horizon and tasks")
    parser.add_argument("--tasks", nargs="*", help="only these")
    parser.add_argument("--schedule", default="cosine", choices=["cosine", "constant"])
    around = "only so many decades below and above the file's best_lr (1.5 where no number is given)"
    parser.add_argument("--around", nargs="?", type=float, const=1.5, metavar="DECADES", help=around)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    suite: Any = OmegaConf.to_container(OmegaConf.load(arguments.suite))
    print("| task | optimizer, schedule | LR | validation | test | s/epoch |\n|---|---|---|---|---|---|")
    for name, entry in suite["tasks"].items():
        if arguments.tasks and name not in arguments.tasks:
            continue
        options = {"schedule": arguments.schedule, "epochs": suite["horizon"], "seeds": arguments.seeds}
        best, width = float(entry["best_lr"]), arguments.around
        grid = None if width is None else (best / 10**width, best * 10**width)
        print("\n".join(lines(name, entry["optimizer"], grid=grid, **options)), flush=True)


if __name__ == "__main__":
    main()
