"""One trial run: checkpoint, three branches, the next trunk, ten times over.

Source: ARC (Dong et al., 2021), section 3.2. Ours: what happens where a training diverges.

- A branch stops at the epoch in which its training or validation loss is not finite; its last
  validation loss is NaN, and it is never chosen for the next trunk while another one is finite.
- All three branches diverged: the row is the run's last one (its label is LOWER).
- The trunk diverged: the row has no branches and is the run's last one. It is no sample, but its
  NaN is the repeated loss by which the row before it is corrected.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from arc.actions import Action
from data_gen import branches, schema
from data_gen.labels import ranking
from tasks import registry
from tasks.base import Source, Splits, Task
from tasks.loop import TaskRun
from tasks.seeding import derive
from tasks.settings import NONE
from tasks.together import Together


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that decides one trial run; equal trials give equal rows (but for ``seconds``).

    ``branches`` is ``sequential`` or ``together``, as :func:`data_gen.branches.mode` says for the task.
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
    branches: str = "sequential"

    def draw(self, task: Task) -> tuple[str, float, int]:
        """The run's optimizer, initial LR (log-uniform) and period (epochs)."""
        rng = np.random.default_rng(derive(self.seed, registry.short_name(self.task), self.index, "draw"))
        optimizer = self.optimizers[rng.integers(len(self.optimizers))]
        low, high = self.lr_range or task.lr_range[optimizer]
        lr0 = float(math.exp(rng.uniform(math.log(low), math.log(high))))
        period = int(rng.integers(1, self.max_period + 1))
        return optimizer, lr0, self.period or period

    def run_id(self, task: Task, data_fingerprint: str) -> str:
        """A hash of what decides the trial; the place of its data and of its output does not."""
        decisive = asdict(self) | {
            "task": registry.short_name(self.task),
            "source": self.source.kind,
            "settings": asdict(task),  # all of them, the replaced ones among them
            "data": data_fingerprint,
            "schema": schema.VERSION,
        }
        encoded = json.dumps(decisive, sort_keys=True, default=str).encode()
        return hashlib.sha256(encoded).hexdigest()[:16]


def rows(
    trial: Trial, task: Task, data: Splits, fingerprint: str, device: str = "cpu"
) -> Iterator[dict[str, Any]]:
    """Run a trial; yields one row of :data:`data_gen.schema.TRIAL` per cycle."""
    optimizer, lr, period = trial.draw(task)
    name = registry.short_name(trial.task)
    run_key = (trial.seed, name, trial.index)

    def fresh() -> TaskRun:
        return TaskRun(task, data, optimizer=optimizer, lr=lr, seed=derive(*run_key, "init"), device=device)

    run = fresh()
    group = Together([fresh() for _ in Action]) if trial.branches == "together" else None
    constant = {
        "run_id": trial.run_id(task, fingerprint),
        "task": name,
        "scale": trial.scale,
        "data": trial.source.kind,
        "optimizer": optimizer,
        "seed": trial.seed,
        "lr0": lr,
        "period": period,
    }
    for cycle in range(trial.cycles):
        began = time.perf_counter()
        run.set_lr(lr)
        run.reseed(*run_key, cycle, "trunk")
        train_loss, val_loss, val_metric = branches.train(run, period, metric=True)
        branched: dict[Action, list[float]] = {action: [] for action in Action}
        chosen = None
        if math.isfinite(val_loss[-1]):
            checkpoint = run.snapshot()
            start = _starter(checkpoint, lr, (*run_key, cycle))
            if group is None:
                branched = branches.sequential(run, start, period)
            else:
                branched = branches.together(group, start, period)
            run.restore(checkpoint)
            if cycle + 1 < trial.cycles:
                choice = np.random.default_rng(derive(*run_key, cycle, "choice"))
                chosen = _choose([branched[a][-1] for a in Action], choice)
        yield constant | {
            "cycle": cycle,
            "lr": lr,
            "train_loss": train_loss,
            "val_loss": val_loss,
            "val_metric": val_metric,
            "raise_val_loss": branched[Action.RAISE],
            "keep_val_loss": branched[Action.KEEP],
            "lower_val_loss": branched[Action.LOWER],
            "chosen": chosen.label if chosen is not None else None,
            "seconds": time.perf_counter() - began,
        }
        if chosen is None:
            return
        lr *= chosen.multiplier


def _starter(checkpoint: dict[str, Any], lr: float, key: tuple[object, ...]) -> branches.Start:
    def start(run: TaskRun, action: Action) -> None:
        run.restore(checkpoint)
        run.set_lr(lr * action.multiplier)
        run.reseed(*key, action.label)

    return start


def _choose(final_losses: list[float], rng: np.random.Generator) -> Action | None:
    """One of the two better branches at random, diverged ones left out; None if all diverged."""
    raise_loss, keep_loss, lower_loss = final_losses
    better = ranking(raise_loss, keep_loss, lower_loss)[:2]
    finite = [action for action in better if math.isfinite(final_losses[action])]
    return finite[rng.integers(len(finite))] if finite else None
