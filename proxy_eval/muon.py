"""Muon for a model's hidden matrices and AdamW for the rest, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """torch's Muon and AdamW side by side, at one LR: Muon's is scaled to the size of AdamW's steps.

    Weight decay, momentum and betas are torch's defaults (0.1 for Muon, 0.01 for AdamW).

    Args:
        model: whose parameters are trained; see :func:`hidden_matrices`.
        lr: of both.

    Raises:
        ImportError: torch before 2.9, which has no Muon.
    """

    def __init__(self, model: nn.Module, lr: float) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise ImportError(f"Muon needs torch >= 2.9, got {torch.__version__}: pip install -U torch")
        matrices = hidden_matrices(model)
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            self._parts.append(torch.optim.Muon(matrices, lr=lr, adjust_lr_fn="match_rms_adamw"))
        if rest:
            self._parts.append(torch.optim.AdamW(rest, lr=lr))
        super().__init__([*matrices, *rest], {"lr": lr})
        self._share()

    def _share(self) -> None:
        """Show the parts' groups as this optimizer's own, so that schedulers reach them."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The trained matrices but for embeddings and the last linear layer, which Muon does not suit.

    Kernels of convolutions are no matrices to torch's Muon, and go to AdamW.
    """
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    outside = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    outside |= {id(m.weight) for m in linear[-1:]}
    return [p for p in model.parameters() if p.requires_grad and p.ndim == 2 and id(p) not in outside]
