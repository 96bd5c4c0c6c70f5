"""Adam and AdamW without what torch's own step does around its kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from arc.torch_private import add_to_each, fused_adam, fused_adamw


class LeanAdam(torch.optim.Adam):
    """Fused Adam whose step goes straight to torch's kernel: the same numbers, 50 to 100 us less per step.

    Torch collects the lists of parameters and states and groups them by device and type in every step;
    in a small training that is 2 to 4 % of the time (docs/speed.md). Here the lists are kept. Whatever
    the short way does not know (the first step, a closure, several groups, amsgrad, maximize, a parameter
    without a gradient) goes torch's way.
    """

    _lists: tuple[list[Tensor], ...] | None = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """As for torch's Adam."""
        group = self.param_groups[0]
        gradients = [p.grad for p in group["params"]]
        special = closure is not None or len(self.param_groups) > 1 or group["amsgrad"] or group["maximize"]
        if special or any(g is None for g in gradients):
            return super().step(closure)
        if self._lists is None:
            found = [self.state[p] for p in group["params"] if p in self.state]
            if len(found) < len(gradients):
                return super().step()
            self._lists = tuple([s[name] for s in found] for name in ("exp_avg", "exp_avg_sq", "step"))
        averages, squares, steps = self._lists
        beta1, beta2 = group["betas"]
        kernel = fused_adamw if group["decoupled_weight_decay"] else fused_adam
        with torch.no_grad():
            add_to_each(steps, 1)
            kernel(
                group["params"],
                gradients,
                averages,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
        return None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As for torch's Adam; the lists are collected anew."""
        self._lists = None
        super().load_state_dict(state_dict)


class LeanAdamW(LeanAdam, torch.optim.AdamW):
    """The same for AdamW."""
