"""Runs of one task that are one training: parameters, optimizer's states, orders and losses on the device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.base import Batch, Predictions, Splits, Task
from tasks.loop import Evaluation, TaskRun, joined
from tasks.seeding import derive
from tasks.splits import rows_of
from tasks.stacked import losses as loss_of
from tasks.stacked.captured import Captured
from tasks.stacked.flat import Flat
from tasks.stacked.inputs import Inputs
from tasks.stacked.rules import RULES
from tasks.stream import Split
from tasks.together.stack import stack, twins
from tasks.together.twin import NotStackable


class Stack:
    """``k`` runs, of which any may train or be evaluated at a time, all by the same calls.

    Each run has its own weights, LR, weight decay, clipping, warmup and order of the data, and a training of
    its own in distribution: orders, augmentation and dropout are drawn for all from one stream of the device,
    which ``key`` decides. A run that is not finite leaves the others as they are.

    Args:
        runs: of one task, its data, optimizer, batch size and precision. Their models become views of the
            stack's; their own optimizers and feeds are not used any more, but for the LR that is set.
        optimizer: their name for it.
        key: decides what is drawn.

    Raises:
        NotStackable: a layer, the loss, the optimizer or the data cannot be stacked.
    """

    def __init__(self, runs: Sequence[TaskRun], optimizer: str, *key: object) -> None:
        first = runs[0]
        if optimizer not in RULES:
            raise NotStackable(f"no stacked form of the optimizer {optimizer}")
        if not isinstance(first.data, Splits) or first.states or first.recipe.precision == "bfloat16":
            raise NotStackable(
                "a stream, a step of the task's own and parameters in bfloat16 are not stacked"
            )
        if not first.task.together:
            raise NotStackable(f"{type(first.task).__name__} does not say together = True")
        if type(first.task).step is not Task.step:
            raise NotStackable(f"{type(first.task).__name__} has a step of its own")
        self.runs, self.count, self.task, self.data = runs, len(runs), first.task, first.data
        self.device, self.size = first.device, first.batch_size
        self._network = stack([run.model for run in runs])
        self._parameters = [p for p in self._network.parameters() if p.requires_grad]
        buffers = [b for twin in twins(self._network) for b in twin.buffers() if b.is_floating_point()]
        self.weights, self.buffers = (
            Flat(tensors, self.count, self.device) for tensors in (self._parameters, buffers)
        )
        rule = RULES[optimizer]
        self._update = rule.update
        self._states = [self.weights.like() for _ in range(rule.states)]
        self._repoint(buffers)
        self._generator = torch.Generator(self.device)
        self._generator.manual_seed(derive(*key, "stack"))
        self._inputs = Inputs(runs, rows_of(self.data.train), self._generator)
        self._losses = torch.zeros(self.count, device=self.device)
        with first.borrowed_rng(keep=False):  # nobody is active: this only shows whether it can be done
            try:
                self._step()
            except RuntimeError as error:
                raise NotStackable(f"a step of all does not work: {str(error).splitlines()[0]}") from error
            self._captured = Captured(self._step, self._generator)

    def _repoint(self, buffers: Sequence[Tensor]) -> None:
        """Let the twins, and the runs' own networks, be views of the vectors."""
        for parameter, view in zip(self._parameters, self.weights.views(), strict=True):
            parameter.data = view
        for buffer, view in zip(buffers, self.buffers.views(), strict=True):
            buffer.data = view
        for twin in twins(self._network):
            twin.point_at_parts()

    # -- training ------------------------------------------------------------------------------------------

    def train(self, lanes: Sequence[int], steps: int) -> list[list[float]]:
        """Take ``steps`` steps in the runs with these numbers; the training losses of each."""
        self._inputs.begin(lanes)
        kept = torch.empty(steps, self.count, device=self.device)
        self._network.train()
        with self.runs[0].borrowed_rng():
            for i in range(steps):
                self._inputs.prepare(lanes)
                self._captured()
                kept[i] = self._losses
        for lane in lanes:
            self.runs[lane].step_count += steps
            self.runs[lane].cost.add(forwards=steps, backwards=steps, steps=steps)
        found: list[list[float]] = kept.T.tolist()
        return [found[lane] for lane in lanes]

    def _step(self) -> None:
        """One step of the active runs, on what lies on the device alone: it can be captured."""
        given = self._inputs.held
        rows = self._inputs.rows()
        batch = {name: tensor.index_select(0, rows) for name, tensor in self.data.train.items()}
        batch = self.task.augment(batch, self._generator)
        before = self.buffers.vector.clone()
        with self._precision():
            losses, _ = loss_of.each(self.task, self._network, batch, self.count)
        gradients = torch.autograd.grad(losses.float().sum(), self._parameters, allow_unused=True)
        weights, active = self.weights, given["active"]
        with torch.no_grad():
            after = self.buffers.vector.clone()
            self.buffers.vector.copy_(before)
            self.buffers.keep(active, after)
            g = weights.joined(gradients)
            g = g * weights.each((given["clip"] / (weights.norms(g) + 1e-6)).clamp(max=1.0))
            found, states = self._update(
                weights.vector,
                g,
                weights.each(given["lr"] * given["factor"]),
                weights.each(given["decay"]),
                weights.each(given["t"]),
                [state.vector for state in self._states],
            )
            weights.keep(active, found)
            for state, new in zip(self._states, states, strict=True):
                state.keep(active, new)
            self._losses.copy_(losses)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        half = self.runs[0].recipe.precision == "autocast"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            yield

    # -- evaluation, and going back ------------------------------------------------------------------------

    def evaluate(self, lanes: Sequence[int], split: Split, *, metric: bool) -> list[Evaluation]:
        """Loss and metric of a whole split, of the runs with these numbers."""
        data: Batch = getattr(self.data, split)
        total = torch.zeros(self.count, dtype=torch.float64, device=self.device)
        seen: list[Predictions] = []
        meters = [self.task.meter() if metric else None for _ in lanes]
        self._network.eval()
        with self.runs[0].borrowed_rng(keep=False), torch.no_grad(), self._precision():
            for start in range(0, rows_of(data), 4 * self.size):
                part = {name: rows[start : start + 4 * self.size] for name, rows in data.items()}
                repeated = {name: rows.repeat_interleave(self.count, 0) for name, rows in part.items()}
                losses, predictions = loss_of.each(self.task, self._network, repeated, self.count)
                total += losses.double() * rows_of(part)
                for lane, meter in zip(lanes, meters, strict=True):
                    if meter is not None:
                        meter.update(_of(predictions, lane), part)
                if metric and meters[0] is None:
                    seen.append(predictions)
        means = (total / rows_of(data)).tolist()
        found = []
        for lane, meter in zip(lanes, meters, strict=True):
            score = None
            if meter is not None:
                score = meter.compute()
            elif seen:
                score = self.task.metric(joined([_of(one, lane) for one in seen]), data)
            found.append(Evaluation(means[lane], score))
        return found

    def fresh_order(self, lane: int) -> None:
        """The run begins a new pass over the data at its next step."""
        self._inputs.fresh_order(lane)

    def snapshot(self, lane: int) -> dict[str, Any]:
        """What decides how a run goes on, but for what is drawn."""
        vectors = [self.weights, self.buffers, *self._states]
        return {
            "vectors": [vector.of(lane) for vector in vectors],
            "taken": self._inputs.taken[lane],
            "step_count": self.runs[lane].step_count,
        }

    def restore(self, lane: int, snapshot: Mapping[str, Any]) -> None:
        """Continue from a snapshot, with a new order of the data; it stays valid."""
        vectors = [self.weights, self.buffers, *self._states]
        for vector, kept in zip(vectors, snapshot["vectors"], strict=True):
            vector.put(lane, kept)
        self._inputs.taken[lane] = snapshot["taken"]
        self.runs[lane].step_count = snapshot["step_count"]
        self.fresh_order(lane)


def _of(predictions: Predictions, lane: int) -> Predictions:
    if isinstance(predictions, Tensor):
        return predictions[lane].float()
    return tuple(part[lane] for part in predictions)
