"""One proxy run: a candidate drives one training, and a Parquet part says how it went."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data_gen import store
from data_gen.unit import load
from proxy_eval.comparison_run import decisions
from proxy_eval.controllers import Arc
from proxy_eval.watched import WatchedRun, follow
from tasks import registry
from tasks.base import Source
from tasks.seeding import derive
from tasks.work import folders, tensorboard, workers

_VALUES = pa.list_(pa.float32())

PROXY_RUN = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("task", pa.string()),
        pa.field("candidate", pa.string()),
        pa.field("weights", pa.string()),  # hash of the candidate's file
        pa.field("optimizer", pa.string()),
        pa.field("lr0", pa.float64()),
        pa.field("repeat", pa.int32()),
        pa.field("score", pa.float64()),  # the run's best metric on validation data, higher is better
        pa.field("last", pa.float64()),  # after the last epoch; NaN: the run was lost
        pa.field("untrained", pa.float64()),  # before the first step
        pa.field("lr", _VALUES),  # per epoch, as the losses and the metric
        pa.field("train_loss", _VALUES),
        pa.field("val_loss", _VALUES),
        pa.field("metric", _VALUES),
        pa.field("actions", pa.list_(pa.string())),  # null between decisions
    ]
)


ARC = {"shipped": Arc(anneal=True, rollback=True), "paper": Arc(policy="paper")}


@dataclass(frozen=True)
class ProxyUnit:
    """One proxy run of one candidate.

    Attributes:
        policy: ``shipped`` (the default policy, annealed, with rollback) or ``paper``.
        rules: hash of the controller's code, so that other rules make other runs.
    """

    candidate: str
    digest: str
    task: str
    scale: str
    source: Source
    fingerprint: str
    optimizer: str
    lr0: float
    repeat: int
    epochs: int
    period: int
    policy: str
    rules: str
    seed: int
    device: str
    runs: str
    tensorboard: str | None = None
    epoch_steps: int | None = None

    @property
    def name(self) -> str:
        """Candidate, task, initial LR and repeat."""
        return (
            f"candidate {folders.name(self.candidate)} on {self.task}, lr0 {self.lr0:g}, repeat {self.repeat}"
        )

    @property
    def run_id(self) -> str:
        """A hash of what decides the run; neither the candidate's place nor the output's does."""
        place = ("candidate", "source", "device", "runs", "tensorboard")
        decisive = {k: v for k, v in vars(self).items() if k not in place}
        if self.epoch_steps is None:  # as the runs of before have it
            del decisive["epoch_steps"]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def path(self) -> str:
        """The part that this unit writes."""
        return store.part_path(self.runs, registry.short_name(self.task), self.run_id)

    @property
    def ticks(self) -> int:
        """One for each epoch."""
        return self.epochs

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Run it and write its part."""
        task, data = load(self.task, self.scale, self.source, self.device)
        # paired: a repeat has the same weights and data order whatever the candidate and the LR
        seed = derive(self.seed, registry.short_name(self.task), self.repeat, "proxy")
        run = WatchedRun(
            task,
            data,
            optimizer=self.optimizer,
            lr=self.lr0,
            seed=seed,
            device=self.device,
            epoch_steps=self.epoch_steps,
        )
        method = ARC[self.policy](
            run, self.epochs * run.steps_per_epoch, controller=self.candidate, period=self.period
        )
        untrained = run.evaluate("val").metric
        settings = {
            "candidate": folders.name(self.candidate),
            "task": registry.short_name(self.task),
            "lr0": self.lr0,
            "repeat": self.repeat,
        }
        trace = []
        with tensorboard.writing(
            self.tensorboard, f"proxy_{self.run_id}", settings, ("val_metric", "val_loss")
        ) as log:
            for epoch in follow(run, method, self.epochs):
                trace.append(epoch)
                log(epoch.number, epoch._asdict())
                tick()
        metrics = np.array([epoch.val_metric for epoch in trace])
        sign = 1.0 if task.higher_is_better else -1.0
        signed = sign * metrics
        whole = len(trace) > 0 and trace[-1].number == self.epochs
        actions = {decision.epoch: decision.action.label for decision in decisions(method)}
        last = float(signed[-1]) if whole and math.isfinite(signed[-1]) else math.nan
        finite = signed[np.isfinite(signed)]
        row = {
            "run_id": self.run_id,
            "task": registry.short_name(self.task),
            "candidate": folders.name(self.candidate),
            "weights": self.digest,
            "optimizer": self.optimizer,
            "lr0": self.lr0,
            "repeat": self.repeat,
            "score": float(finite.max()) if finite.size else math.nan,
            "last": last,
            "untrained": math.nan if untrained is None else sign * untrained,
            **{k: [getattr(epoch, k) for epoch in trace] for k in ("lr", "train_loss", "val_loss")},
            "metric": metrics.tolist(),
            "actions": [actions.get(epoch.number) for epoch in trace],
        }
        store.write(self.path, pa.Table.from_pylist([row], schema=PROXY_RUN))
        return 1
