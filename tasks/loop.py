"""The one training loop: data_gen, proxy_eval and the benchmarks all drive a TaskRun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from arc.methods.run import Closure, Step, kept_buffers, size_of
from tasks.base import Batch, Predictions, TaskError
from tasks.splits import rows_of
from tasks.stream import Split
from tasks.training import Training


class Evaluation(NamedTuple):
    """Mean loss over a split, and the task's metric (None where it was not asked for)."""

    loss: float
    metric: float | None


class TaskRun(Training):
    """A training in flight, by whole calls: offers what :class:`arc.methods.run.Run` asks for.

    Takes the arguments of :class:`~tasks.training.Training`.
    """

    # -- training ------------------------------------------------------------------------------

    def train(self, steps: int, step: Step | None = None) -> list[float]:
        """Take ``steps`` optimizer steps; the training loss of each, read back once at the end.

        ``step`` replaces the optimizer's own step.
        """
        began = time.perf_counter()
        losses = torch.empty(steps, device=self.device)
        before = self.step_count
        self.model.train()
        with self.borrowed_rng():
            for i in range(steps):
                batch = self.next_batch()
                losses[i] = self.task.step(self, batch) if step is None else step(self._closure(batch))
        if step is None:
            self.cost.add(forwards=steps, backwards=steps)
            if self.step_count != before + steps:
                made = self.step_count - before
                raise TaskError(f"{steps} calls of step() made {made} of run.update(), need one each")
        else:  # a closure counts its own passes
            self.step_count += steps
        self.cost.add(steps=steps, seconds=time.perf_counter() - began)
        return losses.tolist()

    def _closure(self, batch: Batch) -> Closure:
        return Closure(self.model, lambda: self.forward(batch)[0], self.cost)

    # -- evaluation ----------------------------------------------------------------------------

    def evaluate(self, split: Split = "val", *, metric: bool = True) -> Evaluation:
        """Loss and metric of a whole split; changes no state of the run."""
        size = 4 * max(self.batch_size, self._feed.batch_size(self.task.batch_size))
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        count = 0
        meter = self.task.meter() if metric else None
        predictions: list[Predictions] = []
        self.model.eval()
        with self.borrowed_rng(keep=False), torch.no_grad():
            for batch in self._feed.batches(split, size):
                loss, predicted = self.forward(batch)
                total += loss.double() * rows_of(batch)
                count += rows_of(batch)
                if meter is not None:
                    meter.update(predicted, batch)
                elif metric:
                    predictions.append(predicted)
            score = meter.compute() if meter is not None else None
            if predictions:
                score = self.task.metric(joined(predictions), getattr(self.data, split))
        self.model.train()
        return Evaluation(total.item() / count, score)

    @property
    def validation_passes(self) -> int:
        """Forward passes of one validation, as :meth:`validate` charges them."""
        return -(-self._feed.count("val") // self.batch_size)

    def validate(self) -> float:
        """The validation loss, charged to the run (what a method asks for, not the bookkeeper)."""
        began = time.perf_counter()
        loss = self.evaluate("val", metric=False).loss
        self.cost.add(forwards=self.validation_passes, seconds=time.perf_counter() - began)
        return loss

    def sample(self, count: int, seed: int) -> list[Batch]:
        """``count`` training batches that ``seed`` decides; the order of training stays as it is."""
        return self._feed.sample(self.task, self.batch_size, count, seed)

    def loss(self, batches: Iterable[Batch], *, update_statistics: bool = False) -> float:
        """The mean training loss on batches of :meth:`sample`, with the same draws in every call."""
        began = time.perf_counter()
        keep = contextlib.nullcontext() if update_statistics else kept_buffers(self.model)
        self.model.train()
        with self.borrowed_rng(keep=False), torch.no_grad(), keep:
            losses = [self.forward(batch)[0].double() for batch in batches]
        self.cost.add(forwards=len(losses), seconds=time.perf_counter() - began)
        return torch.stack(losses).mean().item()

    # -- checkpoints ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides the continuation: model, optimizer, random states, data position."""
        began = time.perf_counter()
        taken = {
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": _cloned(self.optimizer.state_dict()),
            "rng": [state.clone() for state in self._rng],
            **self._feed.state(),
            "step_count": self.step_count,
            "states": {name: _cloned(state.state_dict()) for name, state in self.states.items()},
        }
        self.cost.add(snapshots=1, snapshot_bytes=size_of(taken), seconds=time.perf_counter() - began)
        return taken

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from a snapshot; it stays valid and can be restored again."""
        began = time.perf_counter()
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(_cloned(snapshot["optimizer"]))
        self._rng = [state.clone() for state in snapshot["rng"]]
        self._feed.restore(snapshot)
        for name, state in self.states.items():
            state.load_state_dict(_cloned(snapshot["states"][name]))
        self.step_count = snapshot["step_count"]
        self.cost.add(seconds=time.perf_counter() - began)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """The predictions of several batches as those of one."""
    if isinstance(parts[0], Tensor):
        return torch.cat([p for p in parts if isinstance(p, Tensor)])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _cloned(value: Any) -> Any:
    """A copy of tensors in dicts, lists and tuples; other values stay."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _cloned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cloned(v) for v in value)
    return value
