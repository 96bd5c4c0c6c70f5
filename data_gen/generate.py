"""The stage: which trials are asked for, which are missing, and one unit of work for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from data_gen import branches, draws, stacked, store
from data_gen.stacked import StackUnit
from data_gen.trial_settings import Trial
from data_gen.unit import TrialUnit, load
from tasks import optimizers, registry, variants
from tasks.base import Task, source_of
from tasks.errors import InputError
from tasks.recipe import Precision, Recipe
from tasks.seeding import derive
from tasks.settings import encoded
from tasks.work import tensorboard, workers
from tasks.work.executor import Executed, Executor

DRAWN = ("epoch_steps", "batch_size", "weight_decay", "clip", "warmup")
"""Keys that are a number, a range of which each trial draws, or null."""


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(Executed):
    """Keys of ``configs/data_gen.yaml``, where each is explained."""

    task: Any
    runs: int
    seed: int
    optimizers: list[str]
    lr_range: list[float] | None
    period: int | None
    max_period: int
    cycles: int
    branches: str
    stack: int | None
    epoch_steps: Any
    batch_size: Any
    weight_decay: Any
    clip: Any
    warmup: Any
    precision: Any
    repeats: float
    rollouts: float
    scale: str
    data: str
    data_dir: Any
    settings: Any
    variants: list[str]
    device: str
    force: bool
    tensorboard: str | None
    out: str

    def __post_init__(self) -> None:
        for name in ("runs", "max_period", "cycles"):
            if getattr(self, name) < 1:
                raise InputError(f"got {name}={getattr(self, name)}, need an integer >= 1")
        if self.branches not in branches.MODES:
            raise InputError(f"got branches={self.branches}, need {', '.join(branches.MODES)}")
        if self.stack is not None and (self.stack < 2 or self.runs % self.stack or self.branches != "auto"):
            raise InputError(
                f"got stack={self.stack}, runs={self.runs}, branches={self.branches}; need an integer >= 2 "
                "that divides runs, and branches=auto"
            )
        super().__post_init__()
        if self.period is not None and self.period < 1:
            raise InputError(f"got period={self.period}, need an integer >= 1 or null")
        for name in DRAWN:
            draws.parsed(name, getattr(self, name))
        for name in self.precisions:
            Recipe(precision=name)
        for name in ("repeats", "rollouts"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"got {name}={getattr(self, name)}, need a share of the rows, 0 to 1")
        if not self.variants:
            raise InputError("got an empty list of variants, need at least base")
        if not self.optimizers:
            raise InputError("got an empty list of optimizers, need at least one")
        for name in self.optimizers:
            optimizers.check(name)
        bounds = self.lr_range
        if bounds is not None and not (len(bounds) == 2 and 0 < bounds[0] <= bounds[1] < float("inf")):
            raise InputError(
                f"got lr_range={list(bounds)}, need [lowest, highest] with 0 < lowest <= highest"
            )

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those of which each trial draws one."""
        names: Any = [self.precision] if isinstance(self.precision, str) else self.precision
        return tuple(names)


def units(config: GenerateConfig) -> Iterator[TrialUnit]:
    """All trials asked for: task after task within an index, so that unfinished sets are balanced."""
    names = registry.resolve(config.task)
    for name in names:
        if registry.task_class(name).role == "evaluation" and not config.force:
            raise InputError(
                f"{name} is for evaluation only: a controller trained on it could not be judged by it; "
                "leave it out, or say force=true"
            )
    device = Executor.of(config).where()
    sources = {n: source_of(config.data, config.data_dir, n) for n in names}
    known = [(n, v, _settings(config, n, v)) for n in names for v in config.variants]
    shown = tqdm(known, desc="data", unit=" tasks", leave=False, disable=not sys.stderr.isatty())
    found = {(n, v): load(n, config.scale, sources[n], "cpu", s) for n, v, s in shown}
    fingerprints = {key: splits.fingerprint() for key, (_, splits) in found.items()}
    for index in range(config.runs):
        for name in names:
            rng = np.random.default_rng(derive(config.seed, registry.short_name(name), index, "variant"))
            variant = config.variants[rng.integers(len(config.variants))]
            task = found[name, variant][0]
            asked = Trial(
                task=name,
                scale=config.scale,
                source=sources[name],
                index=index,
                seed=config.seed,
                optimizers=tuple(config.optimizers),
                lr_range=(config.lr_range[0], config.lr_range[1]) if config.lr_range else None,
                period=config.period,
                max_period=config.max_period,
                cycles=config.cycles,
                settings=_settings(config, name, variant),
                variant=variant,
                branches=stacked.mode(config.stack)
                if config.stack
                else branches.mode(config.branches, task, config.scale),
                precision=config.precisions,
                repeats=config.repeats,
                rollouts=config.rollouts,
                **{key: draws.parsed(key, getattr(config, key)) for key in DRAWN},
            )
            if asked.lr_range is None:
                _check_ranges(task, name, config)
            yield TrialUnit(asked, fingerprints[name, variant], device, config.out, config.tensorboard)


def _settings(config: GenerateConfig, name: str, variant: str) -> str:
    """The numbers of a variant, and above them those of the command."""
    return encoded({**variants.settings(name, variant), **(config.settings or {})})


def generate(config: GenerateConfig) -> int:
    """Run the trials that are missing; the exit code."""
    tensorboard.check(config.tensorboard)
    executor = Executor.of(config)
    executor.cards(1)  # a bad number of workers is said before the data are loaded
    every: list[TrialUnit | StackUnit] = list(units(config))
    if config.stack is not None:
        every = list(stacked.blocks(stacked.trials_of(every), config.stack))
    asked = executor.share(every)
    there = store.run_ids(config.out) if store.is_directory(config.out) else set()
    missing = [unit for unit in asked if any(t.run_id not in there for t in stacked.trials_of([unit]))]
    count, left = len(stacked.trials_of(asked)), len(stacked.trials_of(missing))
    print(f"{count} trials asked for, {count - left} there, {left} to run", file=sys.stderr)
    if missing:
        store.check_writable(config.out)
    name = "trials" if config.stack is None else "blocks"
    outcome = executor.run(missing, title="data_gen", unit_name=name)
    print(f"{outcome.done} {name}, {outcome.rows} rows written to {config.out}", file=sys.stderr)
    return workers.report(outcome, unit_name=name)


def _check_ranges(task: Task, name: str, config: GenerateConfig) -> None:
    unknown = [o for o in config.optimizers if o not in task.lr_range]
    if unknown:
        raise InputError(f"{name} has no LR range for {', '.join(unknown)}; give lr_range=[lowest,highest]")
