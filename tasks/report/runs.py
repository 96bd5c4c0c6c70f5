"""One training of the report: what is asked for, and what came of it."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor, nn

from tasks import registry
from tasks.base import Data, Source, Task
from tasks.loop import TaskRun
from tasks.recipe import Recipe
from tasks.seeding import derive
from tasks.settings import NONE
from tasks.work import places
from tasks.work.processes import Tick

SCHEMA = pa.schema(
    [
        pa.field("task", pa.string()),
        pa.field("optimizer", pa.string()),
        pa.field("lr", pa.float64()),
        pa.field("seed", pa.int64()),
        pa.field("blind", pa.bool_()),
        # one value per epoch; the first of the validation columns is the untrained network's
        pa.field("train_loss", pa.list_(pa.float64())),
        pa.field("val_loss", pa.list_(pa.float64())),
        pa.field("val_metric", pa.list_(pa.float64())),
        pa.field("seconds", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A training that the report needs.

    Attributes:
        task: registry name or path.
        scale: of the task.
        source: of its data.
        optimizer: name.
        lr: constant LR.
        seed: decides the run.
        epochs: of the run; it ends early where a loss is not finite.
        epoch_steps: optimizer steps of an epoch; None: one pass over the data.
        settings: numbers of the task that are replaced (see :mod:`tasks.settings`).
        blind: the network sees zeros for its inputs, and so learns what the targets alone tell: the
            majority class, the frequency of each character, the usual mask.
    """

    task: str
    scale: str
    source: Source
    optimizer: str
    lr: float
    seed: int
    epochs: int
    # The key of a part holds all numbers of the task already.
    settings: str = field(default=NONE, repr=False)
    epoch_steps: int | None = field(default=None, repr=False)
    blind: bool = False

    def path(self, out: str) -> str:
        """The part of this run; a change of the task's numbers or data leads to another one."""
        steps = () if self.epoch_steps is None else (self.epoch_steps,)  # as the parts of before are named
        key = derive(repr(self), _identity(self.task, self.scale, self.source, self.settings), *steps)
        return places.join(out, "parts", f"{registry.short_name(self.task)}-{key:016x}.parquet")


@functools.lru_cache(maxsize=16)
def loaded(name: str, scale: str, source: Source, settings: str = NONE) -> tuple[Task, Data]:
    """A task and its data, once per process."""
    task = registry.get(name, scale, settings)
    return task, task.loaded(source)


@functools.cache
def _identity(name: str, scale: str, source: Source, settings: str) -> str:
    task, data = loaded(name, scale, source, settings)
    return f"{task!r} {data.fingerprint()}"


@dataclass(frozen=True)
class ReportUnit:
    """One training of the report and the part that it fills."""

    asked: Asked
    path: str

    @property
    def name(self) -> str:
        """Task, optimizer, LR and seed."""
        a = self.asked
        return f"{a.task}, {a.optimizer} at {a.lr:.2g}, seed {a.seed}{', blind' * a.blind}"

    @property
    def ticks(self) -> int:
        """One for each epoch."""
        return self.asked.epochs

    def run(self, tick: Tick = lambda: None) -> int:
        """Train, and write the part whole or not at all."""
        table = pa.Table.from_pylist([measured(self.asked, tick)], schema=SCHEMA)
        with places.replacing(self.path) as (filesystem, temporary):
            pq.write_table(table, temporary, filesystem=filesystem)
        return 1


def measured(asked: Asked, tick: Tick = lambda: None) -> dict[str, object]:
    """The row of one run, with a ``tick`` per epoch; seconds are CPU time of this thread, training only."""
    task, data = loaded(asked.task, asked.scale, asked.source, asked.settings)
    recipe = Recipe(epoch_steps=asked.epoch_steps)
    run = TaskRun(task, data, optimizer=asked.optimizer, lr=asked.lr, seed=asked.seed, recipe=recipe)
    if asked.blind:
        run.model.register_forward_pre_hook(blank, with_kwargs=True)
    before = run.evaluate()
    train_loss, seconds = [], []
    val_loss, val_metric = [before.loss], [before.metric]
    for _ in range(asked.epochs):
        began = time.thread_time()
        losses = run.train(run.steps_per_epoch)
        seconds.append(time.thread_time() - began)
        after = run.evaluate()
        train_loss.append(sum(losses) / len(losses))
        val_loss.append(after.loss)
        val_metric.append(after.metric)
        tick()
        if not (math.isfinite(after.loss) and math.isfinite(train_loss[-1])):
            break
    return {
        "task": registry.short_name(asked.task),
        "optimizer": asked.optimizer,
        "lr": asked.lr,
        "seed": asked.seed,
        "blind": asked.blind,
        "train_loss": train_loss,
        "val_loss": val_loss,
        "val_metric": val_metric,
        "seconds": seconds,
    }


def blank(
    model: nn.Module, inputs: tuple[object, ...], named: dict[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """Inputs of zeros. By name, targets and masks of a Hugging Face model are not what it is asked about."""
    seen = {k: v if k in ("labels", "attention_mask") else _zero(v) for k, v in named.items()}
    return tuple(map(_zero, inputs)), seen


def _zero(x: object) -> object:
    # Times zero, not zeros: adversarial training asks for the gradient of its inputs.
    return x * 0 if isinstance(x, Tensor) else x
