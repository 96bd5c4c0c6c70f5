"""Muon for the matrices inside a network, AdamW for everything else, behind one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


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
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
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


class Muon(torch.optim.Muon):
    """torch's Muon, its iteration in the gradient's own precision.

    Torch's own runs in bfloat16, which a CPU without units for it emulates: 25 ms for a matrix of 96 x 384
    (measured, AMD EPYC with AVX2). Groups are as torch's; only steps scaled to AdamW's are known.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """As for torch's Muon."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum = float(group["lr"]), group["momentum"]
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p.grad)
                average = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                update = p.grad.lerp(average, momentum) if group["nesterov"] else average
                update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(update, alpha=-lr * 0.2 * max(p.shape) ** 0.5)
        return loss


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with its singular values brought near 1, by the iteration of ``torch.optim.Muon``."""
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def muon_adamw(model: nn.Module, lr: float, *, inside: Callable[[str], bool]) -> Joined:
    """Muon for the matrices that ``inside`` names, AdamW for the other parameters, at one LR.

    Muon's steps are scaled to the size of AdamW's (Liu et al., 2025, section 2.2), so that one LR fits both.

    Args:
        model: its parameters.
        lr: of both.
        inside: tells by its name whether a matrix is a hidden layer's, neither an embedding nor the head.

    Source: Jordan et al., 2024 ("Muon: an optimizer for hidden layers"); ``torch.optim.Muon``.
    """
    named = list(model.named_parameters())
    hidden = [p for name, p in named if p.dim() == 2 and inside(name)]
    others = [p for name, p in named if not (p.dim() == 2 and inside(name))]
    return Joined(
        [
            Muon(hidden, lr=lr, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=lr, fused=True),
        ]
    )
