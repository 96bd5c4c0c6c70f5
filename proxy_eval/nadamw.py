"""NadamW as the AlgoPerf benchmark has it; torch's NAdam uses another algorithm.

Source: Dozat (2016); https://github.com/mlcommons/algorithmic-efficiency, whose update this is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from arc.methods.method import require
from tasks.joined import evaluated


class NadamW(torch.optim.Optimizer):
    """AdamW whose first moment looks one step ahead: the gradient enters it once more before it is used.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: of the two moments.
        weight_decay: decoupled, times the LR.
        eps: beside the root of the second moment.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        require(lr >= 0, "lr", lr, "a number >= 0")
        require(all(0 < b < 1 for b in betas), "betas", betas, "two numbers between 0 and 1")
        require(weight_decay >= 0, "weight_decay", weight_decay, "a number >= 0")
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": eps, "k": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on the gradients as they are."""
        loss = evaluated(closure)
        for group in self.param_groups:
            group["k"] += 1
            k, lr, (beta1, beta2) = group["k"], group["lr"], group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(m=torch.zeros_like(p), v=torch.zeros_like(p))
                m, v = state["m"], state["v"]
                p.mul_(1 - lr * group["weight_decay"])
                m.lerp_(p.grad, 1 - beta1)
                v.lerp_(p.grad * p.grad, 1 - beta2)
                ahead = m.lerp(p.grad, 1 - beta1)
                root = (v / (1 - beta2**k)).sqrt_().add_(group["eps"])
                p.addcdiv_(ahead, root, value=-lr / (1 - beta1**k))
        return loss
