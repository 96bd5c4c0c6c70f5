"""Muon for the matrices inside a network, AdamW for everything else, behind one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tasks.joined import Joined, evaluated


class Muon(torch.optim.Optimizer):
    """Muon as in torch from 2.9 on, iterating in the gradient's precision, its steps scaled to AdamW's.

    Torch's own iterates in bfloat16, which a CPU without units for it emulates: 25 ms for a matrix of
    96 x 384 (measured, AMD EPYC with AVX2).

    Args:
        params: matrices.
        lr: AdamW's, which the scaling of Liu et al., 2025 (section 2.2) makes fit.
        weight_decay: decoupled, times the LR.
        momentum: of the average of gradients.
        nesterov: whether the step looks ahead along it.

    Source: Jordan et al., 2024 ("Muon: an optimizer for hidden layers"); ``torch.optim.Muon``.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        *,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a closure is evaluated once, before it."""
        loss = evaluated(closure)
        for group in self.param_groups:
            lr, momentum = float(group["lr"]), group["momentum"]
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p.grad)
                average = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                update = orthogonal(p.grad.lerp(average, momentum) if group["nesterov"] else average)
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(update, alpha=-lr * 0.2 * max(p.shape) ** 0.5)
        return loss


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1, by the iteration of ``torch.optim.Muon``."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def muon_adamw(model: nn.Module, lr: float) -> Joined:
    """Muon for the model's hidden matrices, AdamW for its other parameters, at one LR; torch's decays."""
    hidden = hidden_matrices(model)
    chosen = {id(p) for p in hidden}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    parts: list[torch.optim.Optimizer] = []
    if hidden:
        parts.append(Muon(hidden, lr))
    if others:
        parts.append(torch.optim.AdamW(others, lr=lr, fused=True))
    return Joined(parts)


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The trained matrices but for embeddings and the last linear layer, which Muon does not suit.

    Kernels of convolutions are no matrices to Muon, and go to AdamW.
    """
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    outside = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    outside |= {id(m.weight) for m in linear[-1:]}
    return [p for p in model.parameters() if p.requires_grad and p.ndim == 2 and id(p) not in outside]
