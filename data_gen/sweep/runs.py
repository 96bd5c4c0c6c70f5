"""The runs of one setting: one for each LR of a grid, held and annealed at the end, and walks between them.

A branch of a trial tells which of three moves is the best for the next period. A sweep tells how far an LR
is from the best one of the whole training: the LR whose run ends lowest is the best
(:mod:`data_gen.sweep.best`). Walks begin anywhere and jump, so that there are trainings, too, that an LR far
off has been at for a while. Source: spec/movement.md, "Targets".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from arc.history.blocks import blocks
from data_gen import draws, schema
from data_gen.draws import Draw
from data_gen.movement import Tracker
from data_gen.trial import describe
from tasks import registry
from tasks.base import Data, Source, Task
from tasks.loop import TaskRun
from tasks.recipe import Recipe
from tasks.seeding import derive

ANNEAL: Final = 0.3
"""Share of a sweep's run over which the LR falls linearly towards 0."""
JUMP: Final = 0.35
"""Chance that a walk's LR jumps after a call."""
FARTHEST: Final = 1.5
"""Decades of the farthest jump."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything that decides the runs of one sweep; equal settings give equal rows."""

    task: str
    scale: str
    source: Source
    settings: str
    variant: str
    optimizer: str
    seed: int
    index: int
    calls: int
    walks: int
    epoch_steps: Draw
    batch_size: Draw
    weight_decay: Draw
    clip: Draw

    def recipe(self) -> Recipe:
        """Drawn from the setting's own seed."""
        rng = np.random.default_rng(derive(self.seed, registry.short_name(self.task), self.index, "sweep"))
        return Recipe(
            epoch_steps=draws.whole(self.epoch_steps, rng),
            batch_size=draws.power_of_two(self.batch_size, rng),
            weight_decay=draws.drawn(self.weight_decay, rng),
            clip=draws.drawn(self.clip, rng),
        )

    def run_id(self, task: Task, fingerprint: str) -> str:
        """A hash of what decides the sweep."""
        decisive = asdict(self) | {
            "task": registry.short_name(self.task),
            "source_code": registry.digest(self.task),
            "source": self.source.kind,
            "settings": asdict(task),
            "data": fingerprint,
            "schema": schema.VERSION,
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()[:16]


def grid(low: float, high: float) -> list[float]:
    """LRs half a decade apart that cover a range.

    Example:
        >>> [f"{lr:.3g}" for lr in grid(2e-4, 2e-2)]
        ['0.0001', '0.000316', '0.001', '0.00316', '0.01', '0.0316']
    """
    first, last = math.floor(2 * math.log10(low) + 1e-9), math.ceil(2 * math.log10(high) - 1e-9)
    return [10 ** (k / 2) for k in range(first, last + 1)]


def count(setting: Setting, task: Task) -> int:
    """Runs of a sweep."""
    return len(grid(*task.lr_range[setting.optimizer])) + setting.walks


def rows(
    setting: Setting, task: Task, data: Data, fingerprint: str, device: str, first: int = 0
) -> Iterator[dict[str, Any]]:
    """The runs of a sweep from number ``first`` on, one row of :data:`data_gen.schema.SWEEP` each."""
    lrs = grid(*task.lr_range[setting.optimizer])
    name = registry.short_name(setting.task)
    recipe, sweep = setting.recipe(), setting.run_id(task, fingerprint)
    falling = max(1, round(ANNEAL * setting.calls))
    runs = [("constant", i, [lr] * setting.calls) for i, lr in enumerate(lrs)]
    rng = np.random.default_rng(derive(setting.seed, name, setting.index, "walks"))
    runs += [("walk", i, walk(rng, lrs[0], lrs[-1], setting.calls)) for i in range(setting.walks)]
    for kind, number, planned in runs[first:]:
        seed = derive(setting.seed, name, setting.index, kind, number, "init")
        run = TaskRun(
            task, data, optimizer=setting.optimizer, lr=planned[0], seed=seed, device=device, recipe=recipe
        )
        tracker = Tracker(run)
        seen: dict[str, list[float]] = {key: [] for key in schema.SWEEP_LISTS}
        for call, lr in enumerate(planned, 1):
            left = setting.calls - call + 1
            run.set_lr(lr * min(1.0, left / (falling + 1)) if kind == "constant" else lr)
            losses = run.train(run.steps_per_epoch)
            val = run.evaluate("val", metric=False).loss if all(map(math.isfinite, losses)) else math.nan
            seen["lr"].append(run.lr)
            seen["val_loss"].append(val)
            if not math.isfinite(val):
                break
            mean, spread = blocks(losses)
            moved = tracker.after(run)
            seen["train_mean"] += mean
            seen["train_spread"] += spread
            for key in ("step", "norm", "distance", "cosine", "cosine2"):
                seen[key].append(getattr(moved, key))
            seen["tensor_cosine"] += moved.tensor_cosine
            seen["tensor_step"] += moved.tensor_step
        yield {
            "run_id": sweep,
            "scale": setting.scale,
            "variant": setting.variant,
            "kind": kind,
            "number": number,
            "calls": setting.calls,
            "lr0": planned[0],
            "start_norm": tracker.start,
            **describe(run, name, setting.optimizer),
            **seen,
        }


def walk(rng: np.random.Generator, low: float, high: float, calls: int) -> list[float]:
    """One LR for each call: anywhere in the range, now and then elsewhere in it."""
    lr = math.exp(rng.uniform(math.log(low), math.log(high)))
    found = []
    for _ in range(calls):
        found.append(lr)
        if rng.uniform() < JUMP:
            lr = min(max(lr * 10 ** rng.uniform(-FARTHEST, FARTHEST), low), high)
    return found
