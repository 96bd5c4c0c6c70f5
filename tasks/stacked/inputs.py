"""What the host decides for a step of a stack, and tells the device: LRs and their like, and which rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.loop import TaskRun


class Inputs:
    """Tensors on the device, one value for each run, that the host writes before a step.

    Args:
        runs: whose LR, weight decay, clipping and warmup count.
        examples: rows of the training data.
        generator: draws the orders.

    Attributes:
        held: ``lr``, ``decay``, ``clip``, ``factor`` (of the warmup), ``t`` (the step's number), ``active``,
            and ``first`` (the place in the run's order), each (k,).
        taken: steps of each run's optimizer.
    """

    def __init__(self, runs: Sequence[TaskRun], examples: int, generator: torch.Generator) -> None:
        self._runs, self._examples, self._generator = runs, examples, generator
        count, self._size, device = len(runs), runs[0].batch_size, runs[0].device
        self._device = device
        self._orders = torch.zeros(count, examples, dtype=torch.long, device=device)
        self._used = [examples] * count  # rows of each order that are used up
        self.held = {
            name: torch.zeros(count, device=device) for name in ("lr", "decay", "clip", "factor", "t")
        }
        self.held["active"] = torch.zeros(count, dtype=torch.bool, device=device)
        self.held["first"] = torch.zeros(count, dtype=torch.long, device=device)
        self._offsets = torch.arange(self._size, device=device)
        self.taken = [0] * count

    def begin(self, lanes: Sequence[int]) -> None:
        """What stays the same over the steps to come, of the runs with these numbers."""
        groups = [run.optimizer.param_groups[0] for run in self._runs]
        clips = [math.inf if run.recipe.clip is None else run.recipe.clip for run in self._runs]
        self._copy("lr", [float(group["lr"]) for group in groups])
        self._copy("decay", [float(group.get("weight_decay", 0.0)) for group in groups])
        self._copy("clip", clips)
        self._copy("active", [lane in set(lanes) for lane in range(len(self._runs))])

    def prepare(self, lanes: Sequence[int]) -> None:
        """New orders where one is used up, and the numbers of this step."""
        fresh = [lane for lane in lanes if self._used[lane] + self._size > self._examples]
        if fresh:
            draws = torch.rand(len(fresh), self._examples, generator=self._generator, device=self._device)
            index = torch.tensor(fresh).to(self._device)
            self._orders.index_copy_(0, index, draws.argsort(1))
        for lane in lanes:
            self._used[lane] = self._size + (0 if lane in fresh else self._used[lane])
            self.taken[lane] += 1
        self._copy("first", [max(0, used - self._size) for used in self._used])
        self._copy("t", [max(1, taken) for taken in self.taken])
        self._copy("factor", [self._warm(lane) for lane in range(len(self._runs))])

    def rows(self) -> Tensor:
        """The rows of this step's batches, those of all runs in turn: int64 (size * k,)."""
        return self._orders.gather(1, self.held["first"][:, None] + self._offsets).T.flatten()

    def fresh_order(self, lane: int) -> None:
        """The run begins a new order at its next step."""
        self._used[lane] = self._examples

    def _warm(self, lane: int) -> float:
        """What the LR is multiplied by during the first steps of a run."""
        warmup = self._runs[lane].recipe.warmup
        return min(1.0, max(1, self.taken[lane]) / warmup) if warmup else 1.0

    def _copy(self, name: str, values: Sequence[float]) -> None:
        held = self.held[name]
        held.copy_(torch.tensor(values, dtype=held.dtype), non_blocking=True)
