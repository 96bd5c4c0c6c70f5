"""What decides a trial run: its task and data, what is drawn for it, and the id that follows."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from data_gen import draws, schema
from data_gen.draws import Draw
from tasks import registry
from tasks.base import Source, Task
from tasks.recipe import Precision, Recipe
from tasks.seeding import derive
from tasks.settings import NONE


class Drawn(NamedTuple):
    """What is drawn once for a trial run: optimizer, initial LR, period (epochs) and recipe."""

    optimizer: str
    lr0: float
    period: int
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that decides one trial run; equal trials give equal rows (but for ``seconds``).

    ``branches`` is ``sequential`` or ``together``, as :func:`data_gen.branches.mode` says for the task, or
    ``stack`` and a size (:mod:`data_gen.stacked`);
    ``settings`` are those of ``variant`` and of the command. ``repeats`` is the share of the rows whose
    branches are trained :data:`data_gen.trial.REPEATS` more times, ``rollouts`` that of the rows from which
    the run is taken to its end at the LRs of :data:`data_gen.branches.FACTORS`.
    """

    task: str
    scale: str
    source: Source
    index: int
    seed: int
    optimizers: tuple[str, ...]
    lr_range: tuple[float, float] | None
    period: int | None
    max_period: int
    cycles: int
    settings: str = NONE
    variant: str = "base"
    branches: str = "sequential"
    epoch_steps: Draw = None
    batch_size: Draw = None
    weight_decay: Draw = None
    clip: Draw = None
    warmup: Draw = 0
    precision: tuple[Precision, ...] = ("float32",)
    repeats: float = 0.0
    rollouts: float = 0.0

    def draw(self, task: Task) -> Drawn:
        """The run's optimizer, initial LR (log-uniform), period (epochs) and recipe."""
        rng = np.random.default_rng(derive(self.seed, registry.short_name(self.task), self.index, "draw"))
        optimizer = self.optimizers[rng.integers(len(self.optimizers))]
        low, high = self.lr_range or task.lr_range[optimizer]
        lr0 = float(math.exp(rng.uniform(math.log(low), math.log(high))))
        period = int(rng.integers(1, self.max_period + 1))
        recipe = Recipe(
            epoch_steps=draws.whole(self.epoch_steps, rng),
            batch_size=draws.power_of_two(self.batch_size, rng),
            weight_decay=draws.drawn(self.weight_decay, rng),
            clip=draws.drawn(self.clip, rng),
            warmup=draws.whole(self.warmup, rng) or 0,
            precision=self.precision[rng.integers(len(self.precision))],
        )
        return Drawn(optimizer, lr0, self.period or period, recipe)

    def run_id(self, task: Task, data_fingerprint: str) -> str:
        """A hash of what decides the trial; the place of its data and of its output does not.

        Trials that differ by their index share the work of it: a request may have a million.
        """
        key = (
            *(value for name, value in vars(self).items() if name != "index"),
            repr(task),
            data_fingerprint,
            registry.digest(self.task),
        )
        if key not in _DECISIVE:
            if len(_DECISIVE) >= 1024:
                _DECISIVE.clear()
            _DECISIVE[key] = _decisive(replace(self, index=_ANY), task, data_fingerprint)
        before, after = _DECISIVE[key]
        return hashlib.sha256(f"{before}{self.index}{after}".encode()).hexdigest()[:16]


_ANY = 917_350_428
"""Stands for the index where it does not matter."""
_DECISIVE: dict[object, tuple[str, str]] = {}


def _decisive(trial: Trial, task: Task, data_fingerprint: str) -> tuple[str, str]:
    """What decides a trial, as JSON, before and after its index."""
    decisive = asdict(trial) | {
        "task": registry.short_name(trial.task),
        "source_code": registry.digest(trial.task),
        "source": trial.source.kind,
        "settings": asdict(task),  # all of them, the replaced ones among them
        "data": data_fingerprint,
        "schema": schema.VERSION,
    }
    before, after = json.dumps(decisive, sort_keys=True, default=str).split(str(_ANY))
    return before, after
