"""The stage: which runs are missing, and what all of them say."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from tasks import optimizers, registry
from tasks.base import Source, TaskError
from tasks.report import linear, page, verdict
from tasks.report.runs import Asked, loaded, perform, start_worker


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Keys of ``configs/tasks.report.yaml``, where each is explained."""

    tasks: Any
    optimizers: list[str]
    lrs: int
    seeds: int
    seed: int
    epochs: int
    ceiling: int
    scale: str
    data: str
    data_dir: Any
    samples: str | None
    workers: str
    out: str

    def __post_init__(self) -> None:
        for name, least in (("lrs", 2), ("seeds", 1), ("epochs", 1), ("ceiling", 1)):
            if getattr(self, name) < least:
                raise TaskError(f"got {name}={getattr(self, name)}, need an integer >= {least}")
        if not self.optimizers:
            raise TaskError("got an empty list of optimizers, need at least one")
        for name in self.optimizers:
            optimizers.get(name)
        if self.samples is not None and not list(Path(self.samples).rglob("*.parquet")):
            raise TaskError(
                f"no Parquet file below {self.samples!r}; make samples with python -m data_gen.label"
            )

    def source(self, task: str) -> Source:
        """Where the data of ``task`` comes from."""
        path = (
            self.data_dir.get(registry.short_name(task)) if isinstance(self.data_dir, dict) else self.data_dir
        )
        return Source(kind=self.data, path=path if self.data == "local" else None)  # type: ignore[arg-type]

    def processes(self) -> int:
        """Number of worker processes."""
        if self.workers == "auto":
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not self.workers.isdigit() or int(self.workers) < 1:
            raise TaskError(f"got workers={self.workers}, need auto or an integer >= 1")
        return int(self.workers)


def report(config: ReportConfig) -> int:
    """Run what is missing, write report.parquet, report.md and report.png, and print the table."""
    names = registry.resolve(config.tasks)
    processes = config.processes()
    _perform([asked for name in names for asked in grid(config, name)], config, processes)
    _perform([asked for name in names for asked in longer(config, name)], config, processes)
    verdicts = [found for name in names for found in verdicts_of(config, name)]
    out = Path(config.out)
    table = pd.DataFrame([v.row() for v in verdicts])
    table.to_parquet(out / "report.parquet.tmp")
    (out / "report.parquet.tmp").replace(out / "report.parquet")
    command = "python -m tasks.report " + " ".join(sys.argv[1:])
    text = page.markdown(verdicts, command, _label_shares(config.samples))
    (out / "report.md").write_text(text)
    page.figure(verdicts, out / "report.png")
    print(text)
    return 0


def grid(config: ReportConfig, name: str) -> list[Asked]:
    """The runs over the LRs, and the blind ones of the majority baseline."""
    source = config.source(name)
    ranges = loaded(name, config.scale, source)[0].lr_range
    runs = []
    for optimizer in config.optimizers:
        if optimizer not in ranges:
            raise TaskError(f"{name} has no LR range for {optimizer}, only for {', '.join(ranges)}")
        asked = Asked(
            task=name,
            scale=config.scale,
            source=source,
            optimizer=optimizer,
            lr=0.0,
            seed=config.seed,
            epochs=config.epochs,
        )
        # What the targets alone tell is soon learned: the middle of the range will do.
        if optimizer == config.optimizers[0]:
            runs += [
                replace(asked, lr=float(lr), blind=True) for lr in np.geomspace(*ranges[optimizer], 7)[2:6]
            ]
        for lr in np.geomspace(*ranges[optimizer], config.lrs):
            seeds = range(config.seed, config.seed + config.seeds)
            runs += [replace(asked, lr=float(lr), seed=seed) for seed in seeds]
    return runs


def longer(config: ReportConfig, name: str) -> list[Asked]:
    """The long run at the best LR of each optimizer, where the metric has no bound."""
    if registry.task_class(name).higher_is_better:
        return []
    found = {optimizer: _judged(config, name, optimizer) for optimizer in config.optimizers}
    epochs = config.epochs * config.ceiling
    return [
        replace(asked, epochs=epochs)
        for asked in grid(config, name)
        if not asked.blind and asked.seed == config.seed and asked.lr == found[asked.optimizer].best_lr
    ]


def verdicts_of(config: ReportConfig, name: str) -> list[verdict.Verdict]:
    """The verdicts on a task, one per optimizer, from finished runs."""
    limits = [_best(config, [asked]) for asked in longer(config, name)] or [1.0] * len(config.optimizers)
    return [_judged(config, name, k, limit) for k, limit in zip(config.optimizers, limits, strict=True)]


def _judged(config: ReportConfig, name: str, optimizer: str, ceiling: float = 1.0) -> verdict.Verdict:
    task, _ = loaded(name, config.scale, config.source(name))
    asked = grid(config, name)
    blind = _best(config, [a for a in asked if a.blind])
    baselines = [
        b for b in (blind, linear.accuracy(name, config.scale, config.source(name))) if b is not None
    ]
    runs = [_row(a, config.out) for a in asked if a.optimizer == optimizer and not a.blind]
    return verdict.judge(
        runs,
        metric=task.metric_name,
        higher_is_better=task.higher_is_better,
        baseline=max(baselines) if task.higher_is_better else min(baselines),
        epochs=config.epochs,
        ceiling=ceiling,
    )


def _best(config: ReportConfig, asked: Sequence[Asked]) -> float:
    """The best validation metric of some runs at any epoch; NaN where all diverged."""
    values = [m for a in asked for m in _row(a, config.out)["val_metric"][1:] if math.isfinite(m)]
    higher = registry.task_class(asked[0].task).higher_is_better
    return (max if higher else min)(values, default=math.nan)


def _row(asked: Asked, out: str) -> dict[str, Any]:
    row: dict[str, Any] = pq.read_table(asked.path(out)).to_pylist()[0]
    return row


def _perform(asked: Sequence[Asked], config: ReportConfig, processes: int) -> None:
    missing = [(a, a.path(config.out)) for a in asked]
    missing = [(a, path) for a, path in missing if not path.exists()]
    bar = tqdm(total=len(missing), desc="runs", smoothing=0.1, disable=not sys.stderr.isatty())
    if processes == 1 or len(missing) < 2:
        for a, path in missing:
            perform(a, path)
            bar.update()
        bar.close()
        return
    # spawn: a fork would copy torch's threads
    context = multiprocessing.get_context("spawn")
    with bar, ProcessPoolExecutor(processes, mp_context=context, initializer=start_worker) as pool:
        futures = [pool.submit(perform, a, path) for a, path in missing]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _label_shares(samples: str | None) -> dict[tuple[str, str], dict[str, float]]:
    if samples is None:
        return {}
    parts = sorted(Path(samples).rglob("*.parquet"))
    table = pd.concat(pd.read_parquet(p, columns=["task", "optimizer", "label"]) for p in parts)
    shares: dict[tuple[str, str], dict[str, float]] = {}
    everything = table.assign(task="zoo", optimizer="all")
    for (task, optimizer), group in pd.concat([table, everything]).groupby(["task", "optimizer"]):
        shares[str(task), str(optimizer)] = dict(group["label"].value_counts(normalize=True))
    return shares
