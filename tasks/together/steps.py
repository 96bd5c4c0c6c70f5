"""Steps that several runs take together."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from tasks.base import Batch
from tasks.loop import TaskRun
from tasks.together.stack import stack, twins


class Together:
    """Runs of one task as one training: a forward and a backward pass for all, then each run's own step.

    Every run keeps its own model, optimizer, LR, order of the data and augmentation, and can be evaluated,
    restored and trained alone at any time. Only the dropout's random state is shared: it is the first run's.
    A run that is no longer finite leaves the others as they are.

    Args:
        runs: of the same task and data. Their models become views of one stack.

    Raises:
        NotStackable: a layer of the network has no twin.
    """

    def __init__(self, runs: Sequence[TaskRun]) -> None:
        self.runs = runs
        self._stacked = stack([run.model for run in runs])
        self._twins = list(twins(self._stacked))

    def train(self, steps: int) -> list[float]:
        """Take ``steps`` steps in every run; the mean of the runs' training losses of each step."""
        began = time.perf_counter()
        losses = torch.empty(steps, device=self.runs[0].device)
        self._stacked.train()
        with self.runs[0].borrowed_rng():
            for i in range(steps):
                losses[i] = self._step()
        for run in self.runs:
            run.cost.add(forwards=steps, backwards=steps, steps=steps)
        self.runs[0].cost.add(seconds=time.perf_counter() - began)
        return losses.tolist()

    def _step(self) -> torch.Tensor:
        loss, _ = self.runs[0].task.forward(self._stacked, in_turn([run.next_batch() for run in self.runs]))
        # A mean over all examples: times the runs, it is the sum of their own losses.
        (loss * len(self.runs)).backward()
        for twin in self._twins:
            twin.hand_over_gradients()
        for run in self.runs:
            run.update()
        return loss.detach()


def in_turn(batches: Sequence[Batch]) -> Batch:
    """One batch of all, in which the batches' rows take turns."""
    return {name: torch.stack([b[name] for b in batches], 1).flatten(0, 1) for name in batches[0]}
