"""The stage: which runs are missing, and what all of them say."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import optimizers, registry
from tasks.base import TaskError, source_of
from tasks.errors import InputError
from tasks.recipe import Recipe
from tasks.report import linear, page, verdict
from tasks.report.runs import Asked, ReportUnit, loaded
from tasks.settings import encoded
from tasks.work import folders, places, workers
from tasks.work.executor import Executed, Executor


@dataclass(frozen=True, kw_only=True)
class ReportConfig(Executed):
    """Keys of ``configs/tasks.report.yaml``, where each is explained."""

    tasks: Any
    optimizers: list[str]
    lrs: int
    seeds: int
    seed: int
    epochs: int
    epoch_steps: int | None
    ceiling: int
    scale: str
    data: str
    data_dir: Any
    settings: Any
    samples: str | None
    out: str

    def __post_init__(self) -> None:
        for name, least in (("lrs", 2), ("seeds", 1), ("epochs", 1), ("ceiling", 1)):
            if getattr(self, name) < least:
                raise TaskError(f"got {name}={getattr(self, name)}, need an integer >= {least}")
        Recipe(epoch_steps=self.epoch_steps)
        if not self.optimizers:
            raise TaskError("got an empty list of optimizers, need at least one")
        for name in self.optimizers:
            optimizers.check(name)
        super().__post_init__()
        if self.samples is not None and not places.tables(self.samples):
            raise TaskError(
                f"no Parquet file below {self.samples!r}; make samples with python -m data_gen.label"
            )


def report(config: ReportConfig) -> int:
    """Run what is missing, write report.parquet, report.md and report.png, and print the table."""
    names = registry.resolve(config.tasks)
    for runs in (grid, longer):  # the longer ones are at the best LRs of the grid
        if left := _perform([asked for name in names for asked in runs(config, name)], config):
            print(
                f"{left} runs are left to other shards; the same command goes on when they are there",
                file=sys.stderr,
            )
            return 0
    verdicts = [found for name in names for found in verdicts_of(config, name)]
    table = pd.DataFrame([v.row() for v in verdicts])
    command = "python -m tasks.report " + " ".join(sys.argv[1:])
    text = page.markdown(verdicts, command, _label_counts(config.samples))
    with folders.written(config.out, "report.md") as out:
        out.mkdir(parents=True, exist_ok=True)
        table.to_parquet(out / "report.parquet.tmp")
        (out / "report.parquet.tmp").replace(out / "report.parquet")
        page.figure(verdicts, out / "report.png")
        (out / "report.md").write_text(text)
    print(page.summary(verdicts))
    where = places.join(config.out, "report.md")
    print(f"{where} has the whole table, report.png beside it draws it", file=sys.stderr)
    return 0


def grid(config: ReportConfig, name: str) -> list[Asked]:
    """The runs over the LRs, and the blind ones of the majority baseline."""
    source = source_of(config.data, config.data_dir, name)
    settings = encoded(config.settings)
    ranges = loaded(name, config.scale, source, settings)[0].lr_range
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
            epoch_steps=config.epoch_steps,
            settings=settings,
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
    data = name, config.scale, source_of(config.data, config.data_dir, name), encoded(config.settings)
    task, _ = loaded(*data)
    asked = grid(config, name)
    blind = _best(config, [a for a in asked if a.blind])
    baselines = [b for b in (blind, linear.accuracy(*data)) if b is not None]
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
    content = pa.BufferReader(places.read_bytes(asked.path(out)))
    row: dict[str, Any] = pq.read_table(content).to_pylist()[0]
    return row


def _perform(asked: Sequence[Asked], config: ReportConfig) -> int:
    """Run what is missing of this machine's share; how many runs are left to others."""
    executor = Executor.of(config, device="cpu")
    every = [ReportUnit(a, a.path(config.out)) for a in asked]
    missing = [unit for unit in executor.share(every) if not places.exists(unit.path)]
    outcome = executor.run(missing, title="report", unit_name="runs", tick_name="epochs")
    if workers.report(outcome, unit_name="runs"):
        raise InputError("the report is not whole without the runs that failed")
    return sum(not places.exists(unit.path) for unit in every)


def _label_counts(samples: str | None) -> dict[tuple[str, str], dict[str, int]]:
    """Samples of each label, by task and optimizer; under the task zoo, those of all tasks."""
    if samples is None:
        return {}
    parts = [io.BytesIO(places.read_bytes(path)) for path in places.tables(samples)]
    table = pd.concat(pd.read_parquet(p, columns=["task", "optimizer", "label"]) for p in parts)
    zoo = table.assign(task="zoo")
    counted = pd.concat([table, zoo, zoo.assign(optimizer="all")]).groupby(["task", "optimizer"])["label"]
    return {(str(t), str(o)): dict(group.value_counts()) for (t, o), group in counted}
