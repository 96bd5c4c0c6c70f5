"""Several optimizers of one training behind one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tasks.errors import TaskError


class Joined(torch.optim.Optimizer):
    """Several optimizers of disjoint parameters that are used, saved and scheduled as one.

    The groups are those of the parts, in their order, and so are the states: a checkpoint holds all of
    them, and whoever sets the LR of the groups sets it in the parts.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = tuple(parts)
        super().__init__([{"params": list(g["params"])} for part in parts for g in part.param_groups], {})
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every part; a closure is evaluated once, before them."""
        loss = evaluated(closure)
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a ``state_dict`` of the same parts."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        first = 0
        for part in self.parts:
            part.state = self.state
            part.param_groups = self.param_groups[first : first + len(part.param_groups)]
            first += len(part.param_groups)


def joined(made: object, task: str) -> torch.optim.Optimizer:
    """What a task's method ``optimizer`` returned as one optimizer; TaskError for anything else."""
    if isinstance(made, torch.optim.Optimizer):
        return made
    parts = list(made) if isinstance(made, list | tuple) else []
    if not parts or not all(isinstance(part, torch.optim.Optimizer) for part in parts):
        kind = type(made).__name__
        raise TaskError(f"{task}.optimizer returned a {kind}, need an optimizer or a list of optimizers")
    return Joined(parts)


def evaluated(closure: Callable[[], Any] | None) -> Any:
    """What the closure of an optimizer's step returns, evaluated with gradients; None without one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
