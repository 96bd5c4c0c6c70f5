"""The exact movement of a run's weights, for the trials; a live controller has sketches of them instead."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import torch
from torch import Tensor

from arc.history.movement import Movement
from arc.history.trail import Trail, on_host
from tasks.loop import TaskRun


class Tracker:
    """Remembers where a run's trained parameters were: at the start and after the last calls.

    Args:
        run: before its first step.

    Attributes:
        start: norm of the parameters then.
    """

    def __init__(self, run: TaskRun) -> None:
        lengths = torch.tensor([p.numel() for p in run.model.parameters() if p.requires_grad])
        vector = _flat(run)
        self._trail = Trail(vector, lengths)
        self.start = math.sqrt(float(vector.square().sum()))

    def fork(self) -> Self:
        """One more tracker with the same past, for a run that goes on from the same state."""
        other = copy.copy(self)
        other._trail = self._trail.fork()
        return other

    def after(self, run: TaskRun) -> Movement:
        """What the call that ends now did to the weights, as exact sums in float64."""
        return on_host(self._trail.after(_flat(run))).movement()

    def state_dict(self) -> dict[str, Any]:
        """The past, as tensors; of the start, too."""
        return self._trail.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`, for a run that began with the same weights."""
        self._trail.load_state_dict(state)


def _flat(run: TaskRun) -> Tensor:
    parameters = [p.detach().flatten() for p in run.model.parameters() if p.requires_grad]
    return torch.cat(parameters).to("cpu", torch.float64)
