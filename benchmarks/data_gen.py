"""Rows per hour of data_gen against the straightforward program: ``python -m benchmarks.data_gen``.

The yardstick is one process with torch's default threads, a DataLoader, torch's default optimizer
implementations, one branch after the other, and ``loss.item()`` in every step. Ours is the stage's own
path with ``workers=auto``. Both run the same trials, the first half of the yardstick's before ours and the
rest after, so that a slow change of the machine hits both. Exits with 1 where a bound is missed.

    python -m benchmarks.data_gen --tasks svhn_vgg,imdb_lstm --results speed.json   # a part of the tasks
    python -m benchmarks.data_gen --tasks movie_ner --results speed.json            # adds to it
    python -m benchmarks.data_gen --branches sequential                             # ours, in this mode
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.straightforward import Straightforward
from data_gen import branches, schema, store
from data_gen.trial_settings import Trial
from data_gen.unit import TrialUnit, load
from tasks import registry
from tasks.base import Source
from tasks.work import workers

MEAN_BOUND, LEAST_BOUND = 2.5, 1.8
"""Ratios that the project asks of the tasks' geometric mean and of each task, on two cores."""


def trial_of(task: str, index: int, *, cycles: int, period: int, mode: str = "sequential") -> Trial:
    """A trial of fixed length at an LR at which nothing diverges."""
    low, high = registry.get(task).lr_range["adam"]
    lr = math.exp(0.6 * math.log(low) + 0.4 * math.log(high))
    return Trial(
        task=task,
        scale="mini",
        source=Source(),
        index=index,
        seed=0,
        optimizers=("adam",),
        lr_range=(lr, lr),
        period=period,
        max_period=period,
        cycles=cycles,
        branches=branches.mode(mode, registry.get(task), "mini"),
    )


def plain_seconds(trial: Trial) -> list[float]:
    """Wall time of each cycle of the straightforward program."""
    task, data = load(trial.task, trial.scale, trial.source, "cpu")
    optimizer, lr, period, _ = trial.draw(task)
    program = Straightforward(task, data, optimizer, lr, trial.index)
    seconds = []
    for _ in range(trial.cycles):
        began = time.perf_counter()
        program.cycle(lr, period)
        seconds.append(time.perf_counter() - began)
    return seconds


def our_seconds(trials: list[Trial], processes: int, device: str = "cpu") -> dict[str, list[float]]:
    """Wall time of each cycle by task, all processes busy, as the stage writes it into its parts."""
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as out:
        units = [TrialUnit(trial, fingerprint(trial), device, out) for trial in trials]
        outcome = workers.run_all(units, workers=processes, title="data_gen")
        if workers.report(outcome):
            raise SystemExit(1)
        for _, table in store.read_all(out, schema.TRIAL):
            for row in table.select(["task", "seconds"]).to_pylist():
                seconds.setdefault(row["task"], []).append(row["seconds"])
    return seconds


def fingerprint(trial: Trial) -> str:
    """Of the trial's data."""
    return load(trial.task, trial.scale, trial.source, "cpu")[1].fingerprint()


def measure(
    names: list[str], processes: int, *, cycles: int, period: int, mode: str
) -> dict[str, dict[str, float]]:
    """Rows per hour of both programs for each task; ``mode`` is how ours trains the branches."""

    def trials(index: int) -> list[Trial]:
        return [trial_of(name, index, cycles=cycles, period=period, mode=mode) for name in names]

    plain: dict[str, list[float]] = {name: [] for name in names}
    for trial in trials(0):
        plain[trial.task] += plain_seconds(trial)
    at_once = zip(*map(trials, range(processes)), strict=True)  # the same task on every core
    ours = our_seconds([trial for group in at_once for trial in group], processes)
    for trial in trials(1):
        plain[trial.task] += plain_seconds(trial)
    return {
        name: {
            "plain": 3600 / statistics.median(plain[name]),
            "ours": processes * 3600 / statistics.median(ours[name]),
        }
        for name in names
    }


def report(results: dict[str, dict[str, float]]) -> tuple[str, bool]:
    """The table as Markdown, and whether the bounds hold."""
    ratios = {name: r["ours"] / r["plain"] for name, r in results.items()}
    lines = [
        f"| {'task':<18} | {'plain, rows/h':>13} | {'data_gen, rows/h':>16} | {'ratio':>5} |",
        f"|{'-' * 20}|{'-' * 14}:|{'-' * 17}:|{'-' * 6}:|",
    ]
    for name, result in sorted(results.items()):
        lines.append(
            f"| {name:<18} | {result['plain']:>13,.0f} | {result['ours']:>16,.0f} | {ratios[name]:>5.2f} |"
        )
    mean, least = statistics.geometric_mean(ratios.values()), min(ratios.values())
    summary = f"Geometric mean {mean:.2f} (bound {MEAN_BOUND}), least {least:.2f} (bound {LEAST_BOUND})."
    lines += ["", summary]
    return "\n".join(lines), mean >= MEAN_BOUND and least >= LEAST_BOUND


def main() -> int:
    """Measure, merge with earlier results, print, and tell by the exit code whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default=",".join(registry.names("zoo")), help="names, default: the zoo")
    parser.add_argument("--cycles", type=int, default=5, help="of each trial")
    parser.add_argument("--period", type=int, default=2, help="epochs")
    parser.add_argument("--branches", choices=branches.MODES, default=branches.MODES[0], help="of ours")
    parser.add_argument("--results", type=Path, help="JSON file of results, read and written")
    options = parser.parse_args()
    results = {}
    if options.results and options.results.exists():
        results = json.loads(options.results.read_text())
    names = [name for name in options.tasks.split(",") if name]
    processes = workers.count("auto")
    if names:
        results |= measure(
            names, processes, cycles=options.cycles, period=options.period, mode=options.branches
        )
    if options.results:
        options.results.write_text(json.dumps(results, indent=1))
    table, holds = report(results)
    print(f"{platform.processor() or platform.machine()}, {processes} cores, torch {torch.__version__}")
    print(table)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
