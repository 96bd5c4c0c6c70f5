"""ScheduleFree+: Adam with Schedule-Free averaging and a Polyak step size; no LR and no horizon.

Source: arXiv 2605.19095. The published package (schedulefree 1.4.1) does not hold it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from arc.methods.method import require


class ScheduleFreePlus(torch.optim.Optimizer):
    """Train between :meth:`train` and :meth:`eval`; measure and save after :meth:`eval`.

    Per step, with f the batch's loss and sums over all parameters (y is trained, x evaluated)::

        G = average of sqrt(pi / 2) sum |g|_1;   I = b sum <g, z - x>;   a = lr max(0, f + I) / G
        z -= a^2 weight_decay y;   z -= a m / (sqrt(v) + eps)                  (m, v: Adam's, bias-corrected)
        x = (1 - c) x + c z;   y = b x + (1 - b) z;   c = w / sum w,   w = (k + 1)^r (largest a)^2

    The loss is taken to end near 0, as Polyak's step does. One process: where parameters or batches are
    shared among several, f, sum |g|_1 and I must be summed, which is not done here.

    Args:
        params: parameters or groups; ``lr`` and ``weight_decay`` may differ by group.
        lr: a factor on the step, not a learning rate to tune.
        betas: of m and v.
        momentum: b.
        momentum_end: what b rises to in ``momentum_steps`` steps, 1 - b in equal ratios.
        momentum_steps: 0: b stays.
        polyak_beta: of the average G; 0: this batch's alone.
        weight_decay: decoupled; values that act are 20 to 50, not 0.1.
        c_warmup: steps with c = 1; their weights count in the sum.
        r: power of the step's number in the weights; 2 for long runs.
        eps: beside sqrt(v).

    State per parameter: z, m, v; x follows from y and z.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.95),
        momentum: float = 0.9,
        momentum_end: float = 0.965,
        momentum_steps: int = 0,
        polyak_beta: float = 0.0,
        weight_decay: float = 0.0,
        c_warmup: int = 0,
        r: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        require(0 < lr < math.inf, "lr", lr, "a positive, finite number")
        require(all(0 <= b < 1 for b in betas), "betas", betas, "two numbers from 0 to below 1")
        for name, value in (("momentum", momentum), ("momentum_end", momentum_end)):
            require(0 < value < 1, name, value, "a number between 0 and 1")
        require(0 <= polyak_beta < 1, "polyak_beta", polyak_beta, "a number from 0 to below 1")
        require(weight_decay >= 0, "weight_decay", weight_decay, "a number >= 0")
        self._b = (momentum, momentum_end, momentum_steps)
        self._polyak_beta, self._c_warmup = polyak_beta, c_warmup
        counts = {"k": 0, "b": momentum, "largest": 0.0, "weights": 0.0, "average": 0.0, "training": True}
        super().__init__(
            params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "r": r, "eps": eps, **counts}
        )

    @torch.no_grad()
    def train(self) -> None:
        """Put y into the parameters."""
        self._swap(True, lambda b: 1 - b)

    @torch.no_grad()
    def eval(self) -> None:
        """Put x into the parameters."""
        self._swap(False, lambda b: 1 - 1 / b)

    def _swap(self, training: bool, weight: Callable[[float], float]) -> None:
        for group in self.param_groups:
            if group["training"] != training:
                group["training"] = training
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.lerp_(self.state[p]["z"], weight(group["b"]))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None, *, loss: float | None = None) -> Any:
        """One step on the gradients as they are.

        Args:
            closure: computes loss and gradients.
            loss: of the batch, where there is no closure.

        Raises:
            ValueError: neither of them, or after :meth:`eval`.
        """
        if closure is not None:
            with torch.enable_grad():
                loss = float(closure())
        require(loss is not None, "loss", loss, "step(loss=...) or a closure")
        require(self.param_groups[0]["training"], "a step after eval()", "none", "train() before it")
        first = self.param_groups[0]
        b, k = self._momentum(first["k"]), first["k"] + 1
        gradient, inner = self._sums(b)
        beta = self._polyak_beta
        first["average"] = beta * first["average"] + (1 - beta) * gradient
        typical = first["average"] / (1 - beta**k)
        polyak = max(0.0, float(loss or 0.0) + inner) / typical if typical > 0 else 0.0
        for group in self.param_groups:
            self._update(group, polyak * group["lr"], b)
        return loss

    def _momentum(self, k: int) -> float:
        start, end, steps = self._b
        part = min(1.0, k / steps) if steps else 0.0
        return float(1 - (1 - start) ** (1 - part) * (1 - end) ** part)

    def _sums(self, b: float) -> tuple[float, float]:
        """sqrt(pi / 2) sum |g|_1, and b sum <g, z - x>; z - y is z - x times the b that made y."""
        gradient, inner = [], []
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if not state:
                        state.update(z=p.clone(), m=torch.zeros_like(p), v=torch.zeros_like(p))
                    gradient.append(p.grad.abs().sum())
                    inner.append((p.grad * (state["z"] - p)).sum() * (b / group["b"]))
        if not gradient:
            return 0.0, 0.0
        sums = torch.stack([torch.stack(gradient).sum(), torch.stack(inner).sum()]).tolist()
        return math.sqrt(math.pi / 2) * sums[0], sums[1]

    def _update(self, group: dict[str, Any], a: float, b: float) -> None:
        k, (beta1, beta2) = group["k"] + 1, group["betas"]
        group["largest"] = max(group["largest"], a)
        weight = k ** group["r"] * group["largest"] ** 2
        group["weights"] += weight
        c = 1.0 if k <= self._c_warmup else weight / group["weights"] if group["weights"] else 0.0
        for p in group["params"]:
            g: Tensor | None = p.grad
            if g is None:
                continue
            z, m, v = (self.state[p][name] for name in "zmv")
            x = p.lerp(z, 1 - 1 / group["b"])
            z.sub_(p, alpha=a * a * group["weight_decay"])
            m.lerp_(g, 1 - beta1)
            v.lerp_(g * g, 1 - beta2)
            z.addcdiv_(m, (v / (1 - beta2**k)).sqrt_().add_(group["eps"]), value=-a / (1 - beta1**k))
            p.copy_(x.lerp_(z, c).lerp_(z, 1 - b))
        group["k"], group["b"] = k, b
