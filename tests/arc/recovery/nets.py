"""Nets, optimizers and other state that copies are taken of."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return found


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
    "adamw": lambda ps: torch.optim.AdamW(ps, lr=0.1),
    "adam, tensor lr": lambda ps: torch.optim.Adam(ps, lr=torch.tensor(0.1), capturable=False),
    "lbfgs": lambda ps: torch.optim.LBFGS(ps, lr=0.1, max_iter=3, history_size=2),
    "rprop": lambda ps: torch.optim.Rprop(ps, lr=0.01),
}


def step(net: nn.Module, *optimizers: torch.optim.Optimizer, seed: int = 0) -> None:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))

    def closure() -> Tensor:
        net.zero_grad()
        loss: Tensor = net(x).square().mean()
        loss.backward()
        return loss

    closure()
    for one in optimizers:
        one.step(closure)  # type: ignore[arg-type]


def values(net: nn.Module) -> list[list[float]]:
    return [v.flatten().tolist() for v in net.state_dict().values()]


class Scale:
    """Like a GradScaler: plain numbers and a tensor behind state_dict."""

    def __init__(self) -> None:
        self.scale, self.refuses = torch.tensor(8.0), False

    def state_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "growth": np.float64(2.0)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.refuses:
            self.refuses = False
            raise ValueError("no")
        self.scale = state["scale"].clone()
