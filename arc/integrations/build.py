"""How every adapter makes its controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from arc.controller import Controller
from arc.network import weights


def build(
    optimizer: torch.optim.Optimizer,
    path: str | Path | None,
    settings: dict[str, Any],
    *,
    scheduler: Any = None,
    model: nn.Module | None = None,
) -> Controller:
    """A controller with the user's settings; the framework's scheduler and model where the user gave none.

    The network is read from ``path`` (the shipped controller if None), unless the settings hold one.
    """
    chosen = {"scheduler": scheduler, "model": model, **settings}
    if chosen.get("network") is None and path is not None:
        chosen["network"] = weights.load(path)
    return Controller(optimizer, **chosen)
