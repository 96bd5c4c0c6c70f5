"""Controllers that keep copies."""

from typing import Any

import torch
from torch import nn

import arc


def rolling(network: arc.Network, model: nn.Module, lr: float = 0.1, **settings: Any) -> arc.Controller:
    """A controller with rollback on a momentum SGD."""
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return arc.Controller(sgd, network=network, **{"model": model, "rollback": True} | settings)


def restores(controller: Any) -> list[int]:
    """The calls whose state was put back: 0 for the initial one, 1 where only the reason tells of it."""
    found = []
    for decision in controller.decisions:
        start = any(w in decision.reason for w in ("initial state", "starts again"))
        told = 0 if start else 1 if "went back" in decision.reason else None
        call = getattr(decision, "restored", told)
        found += [] if call is None else [call]
    return found


def went_to_the_start(controller: arc.Controller) -> bool:
    """Whether the initial state was ever restored."""
    return 0 in restores(controller)


def one_step(controller: arc.Controller, model: nn.Module) -> None:
    """A real optimizer step, so that there is a state to restore."""
    controller.optimizer.zero_grad()
    sum(p.sum() for p in model.parameters() if p.requires_grad).backward()  # type: ignore[union-attr]
    controller.optimizer.step()
