"""The stage: which settings are asked for, which are missing, and one unit of work for each."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data_gen import draws, kept_rows, schema, store
from data_gen.sweep.runs import Setting, count, rows
from data_gen.unit import load
from tasks import optimizers, registry, variants
from tasks.base import Source, Task, source_of
from tasks.errors import InputError
from tasks.seeding import derive
from tasks.settings import encoded
from tasks.work import workers
from tasks.work.answers import Stopped
from tasks.work.checkpoint import Checkpoint
from tasks.work.executor import Executed, Executor

DRAWN = ("epoch_steps", "batch_size", "weight_decay", "clip")
"""Keys that are a number, a range of which each setting draws, or null."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig(Executed):
    """Keys of ``configs/data_gen.sweep.yaml``, where each is explained."""

    task: Any
    settings_per_task: int
    seed: int
    optimizers: list[str]
    calls: int
    walks: int
    epoch_steps: Any
    batch_size: Any
    weight_decay: Any
    clip: Any
    variants: list[str]
    scale: str
    data: str
    data_dir: Any
    device: str
    out: str

    def __post_init__(self) -> None:
        if self.settings_per_task < 1 or self.calls < 4 or self.walks < 0:
            raise InputError(
                f"got settings_per_task={self.settings_per_task}, calls={self.calls}, walks={self.walks}; "
                "need at least 1, 4 and 0"
            )
        if not self.optimizers or not self.variants:
            raise InputError("got an empty list of optimizers or variants, need at least one of each")
        for name in self.optimizers:
            optimizers.check(name)
        for name in DRAWN:
            draws.parsed(name, getattr(self, name))
        super().__post_init__()


@dataclass(frozen=True)
class SweepUnit:
    """One setting, from its configuration to its Parquet part."""

    setting: Setting
    fingerprint: str
    device: str
    out: str

    @property
    def name(self) -> str:
        """Task and index."""
        return f"{self.setting.task} setting {self.setting.index} (seed {self.setting.seed})"

    @property
    def task(self) -> Task:
        """What is trained, at the numbers of the setting."""
        return registry.get(self.setting.task, self.setting.scale, self.setting.settings)

    @functools.cached_property
    def path(self) -> str:
        """The part that this unit writes."""
        run_id = self.setting.run_id(self.task, self.fingerprint)
        return store.part_path(self.out, registry.short_name(self.setting.task), run_id)

    @property
    def ticks(self) -> int:
        """One for each run."""
        return count(self.setting, self.task)

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Run the sweep and write its part; the number of rows.

        A sweep that a killed process has left goes on after the last run that was saved.
        """
        setting, file = self.setting, Checkpoint(self.path)
        task, data = load(setting.task, setting.scale, setting.source, self.device, setting.settings)
        saved = file.read()
        found = [] if saved is None else kept_rows.unpacked(saved["rows"])
        more = rows(setting, task, data, self.fingerprint, self.device, first=len(found))
        for number, row in enumerate(itertools.chain(list(found), more)):
            if number == len(found):
                found.append(row)
                if file.due:
                    file.write({"rows": kept_rows.packed(found, schema.SWEEP)})
            try:
                tick()
            except Stopped:
                if number + 1 < self.ticks:  # after the last one there is nothing left to go on with
                    file.write({"rows": kept_rows.packed(found, schema.SWEEP)})
                    raise
        store.write(self.path, store.table(found, schema.SWEEP, {"setting": asdict(setting)}))
        file.delete()
        return len(found)


def units(config: SweepConfig) -> Iterator[SweepUnit]:
    """All settings asked for: index by index, so that an unfinished set is balanced."""
    names = registry.resolve(config.task)
    for name in names:
        if registry.task_class(name).role == "evaluation":
            raise InputError(f"{name} is for evaluation only; leave it out")
    device = Executor.of(config).where()
    draw = {key: draws.parsed(key, getattr(config, key)) for key in DRAWN}
    for index in range(config.settings_per_task):
        for name in names:
            rng = np.random.default_rng(derive(config.seed, registry.short_name(name), index, "variant"))
            variant = config.variants[rng.integers(len(config.variants))]
            source = source_of(config.data, config.data_dir, name)
            settings = encoded(dict(variants.settings(name, variant)))
            fingerprint = _fingerprint(name, config.scale, source, settings)
            setting = Setting(
                task=name,
                scale=config.scale,
                source=source,
                settings=settings,
                variant=variant,
                optimizer=config.optimizers[(index + names.index(name)) % len(config.optimizers)],
                seed=config.seed,
                index=index,
                calls=config.calls,
                walks=config.walks,
                **draw,
            )
            yield SweepUnit(setting, fingerprint, device, config.out)


@functools.lru_cache
def _fingerprint(task: str, scale: str, source: Source, settings: str) -> str:
    """Of the data; they are made anew in the workers."""
    return registry.get(task, scale, settings).loaded(source).fingerprint()


def sweep(config: SweepConfig) -> int:
    """Run the sweeps that are missing; the exit code."""
    executor = Executor.of(config)
    executor.cards(1)  # a bad number of workers is said before the data are loaded
    asked = executor.share(list(units(config)))
    missing = [unit for unit in asked if not store.exists(unit.path)]
    print(
        f"{len(asked)} settings asked for, {len(asked) - len(missing)} there, {len(missing)} to run",
        file=sys.stderr,
    )
    if missing:
        store.check_writable(config.out)
    outcome = executor.run(missing, title="data_gen.sweep", unit_name="settings", tick_name="runs")
    print(f"{outcome.done} settings, {outcome.rows} runs written to {config.out}", file=sys.stderr)
    return workers.report(outcome, unit_name="settings")
