"""One run of the comparison: a method drives a training, and a Parquet part says how it went."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arc.decision import Decision
from arc.methods.controlled import Controlled
from arc.methods.method import Method
from arc.methods.step_sampling import StepSampling
from data_gen import store
from data_gen.unit import load
from proxy_eval import comparison_schema as schema
from proxy_eval import memory, methods
from proxy_eval.kept import Kept, Untrained, untrained
from proxy_eval.unfinished import Unfinished, now
from proxy_eval.watched import WatchedRun, budget
from tasks import registry
from tasks.base import Source
from tasks.errors import InputError
from tasks.seeding import derive
from tasks.work import workers
from tasks.work.checkpoint import Checkpoint

FAILURES = (ValueError, ArithmeticError, RuntimeError)
"""What a method may raise for reasons of its own; anything else is an error of the program."""


@dataclass(frozen=True, kw_only=True)
class ComparisonUnit:
    """One run. ``identity`` is that of the method's weights when the run was asked for.

    Attributes:
        start_lr: what the optimizer begins with where the method takes no ``lr0``.
        base_seed: seed of the command, beside the run's own.
        settings: hash of the task's numbers.
    """

    label: str
    method: str
    options: dict[str, Any]
    identity: Any
    task: str
    scale: str
    source: Source
    fingerprint: str
    settings: str
    optimizer: str
    lr0: float | None
    start_lr: float
    seed: int
    base_seed: int
    horizon: float
    epochs: int
    epoch_steps: int | None
    device: str
    out: str

    @property
    def name(self) -> str:
        """Label, task, initial LR, seed, horizon."""
        lr0 = "" if self.lr0 is None else f", lr0 {self.lr0:g}"
        return f"{self.label} on {self.task}{lr0}, seed {self.seed}, horizon {self.horizon:g}"

    @functools.cached_property
    def run_id(self) -> str:
        """A hash of what decides the run: neither the name in tables nor where files lie."""
        place = ("label", "source", "device", "out", "horizon")
        decisive = {k: v for k, v in vars(self).items() if k in self.__annotations__ and k not in place}
        decisive["task"] = registry.short_name(self.task)
        decisive["options"] = {k: v for k, v in self.options.items() if k not in ("controller", "weights")}
        encoded = json.dumps(decisive | {"schema": schema.VERSION}, sort_keys=True).encode()
        return hashlib.sha256(encoded).hexdigest()[:16]

    @property
    def path(self) -> str:
        """The part that this unit writes."""
        return store.part_path(self.out, registry.short_name(self.task), self.run_id)

    @property
    def ticks(self) -> int:
        """The bar counts epochs."""
        return self.epochs

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Run it and write its part; goes on where a killed process has left a checkpoint."""
        table = pa.Table.from_pylist([self.row(tick)], schema=schema.RUN.with_metadata(schema.made_with()))
        store.write(self.path, table)
        Checkpoint(self.path).delete()
        return 1

    def row(self, tick: workers.Tick = lambda: None) -> dict[str, Any]:
        """Run it; one row of :data:`proxy_eval.comparison_schema.RUN`."""
        if methods.identity(self.method, self.options) != self.identity:
            raise InputError(f"the controller of {self.label} has changed since the start; run it again")
        memory.reset(self.device)
        began = now()
        run, before = self._new_run()
        kept = Kept(run, before.test, budget(run, self.epochs))
        so_far = Unfinished(run, kept, began=began)
        method: Method | None = None
        failure = None
        try:
            with so_far.clock:
                method = methods.make(self.method, run, self.epochs * run.steps_per_epoch, **self.options)
            so_far.finish(method, self.epochs, Checkpoint(self.path), tick)
        except (InputError, methods.MethodError):
            raise
        except FAILURES as error:
            failure = f"{type(error).__name__}: {error}"
        found = decisions(method)
        scores, diverged = kept.scores(), kept.diverged()
        wall, cpu = so_far.spent
        task = run.task
        return {
            "run_id": self.run_id,
            "label": self.label,
            "method": self.method,
            "options": json.dumps(self.options, sort_keys=True),
            "identity": None if self.identity is None else json.dumps(self.identity, sort_keys=True),
            "task": registry.short_name(self.task),
            "scale": self.scale,
            "data": self.fingerprint,
            "optimizer": self.optimizer,
            "lr0": self.lr0,
            "seed": self.seed,
            "horizon": self.horizon,
            "epochs": self.epochs,
            "epoch_steps": run.steps_per_epoch,
            "metric": task.metric_name,
            "higher_is_better": task.higher_is_better,
            **{k: [getattr(e, k) for e in so_far.trace] for k in _CURVES},
            "budget": kept.budget,
            "untrained_val_loss": before.val.loss,
            "untrained_val_metric": before.val.metric,
            "untrained_test_loss": before.test.test_loss,
            "untrained_test_metric": before.test.test_metric,
            **scores,
            **{k: int(getattr(run.cost, k)) for k in ("forwards", "backwards", "steps", "snapshots")},
            "seconds": so_far.clock.wall,
            "cpu_seconds": so_far.clock.cpu,
            "unit_seconds": cpu,
            "wall_seconds": wall,
            "peak_memory": so_far.peak_memory,
            "diverged": diverged,
            "failure": failure,
            "decision_epoch": [d.epoch for d in found],
            "decision": [d.action.label for d in found],
            "decision_factor": [d.multiplier for d in found],
            "decision_reason": [d.reason for d in found],
        }

    def _new_run(self) -> tuple[WatchedRun, Untrained]:
        """The run before its first step, the same for every method and LR of a task and seed."""
        task, data = load(self.task, self.scale, self.source, self.device)
        key = derive(self.base_seed, registry.short_name(self.task), self.seed, "comparison")
        run = WatchedRun(
            task,
            data,
            optimizer=self.optimizer,
            lr=self.start_lr if self.lr0 is None else self.lr0,
            seed=key,
            device=self.device,
            epoch_steps=self.epoch_steps,
        )
        return run, untrained(run, (self.task, self.scale, self.fingerprint, self.settings, key))


_CURVES = ("lr", "train_loss", "val_loss", "val_metric", "charged")


def decisions(method: Method | None) -> list[Decision]:
    """What ARC decided, if the method is ARC."""
    if isinstance(method, StepSampling):
        method = method.then
    return method.decisions if isinstance(method, Controlled) else []
