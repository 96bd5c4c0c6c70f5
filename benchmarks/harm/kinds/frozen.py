"""Parts that stand still by intent: frozen, thawed, trained in turns, tiny, zero at first."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.harm.problems import INPUTS, adam, classification, mlp, regression
from benchmarks.harm.training import Training, kind


def _groups(model: nn.Sequential, lr: float = 1e-3) -> torch.optim.Optimizer:
    """Backbone and head, in this order."""
    return torch.optim.Adam(
        [{"params": model[:-1].parameters()}, {"params": model[-1].parameters()}],
        lr=lr,
    )


def _with_groups() -> Training:
    model = mlp()
    return regression(model, _groups(model), noise=0.3)


def _backbone_learns(training: Training, when: Callable[[int], bool]) -> Training:
    """Only in the calls for which ``when`` says so."""
    training.begin = lambda call: training.model[:-1].requires_grad_(when(call))
    return training


@kind
def backbone_lr_0_at_16() -> Training:
    """The LR of the backbone is set to 0 at call 16."""
    training = _with_groups()

    def begin(call: int) -> None:
        if call == 16:
            training.optimizer.param_groups[0]["lr"] = 0.0

    training.begin = begin
    return training


@kind
def backbone_lambda_to_0() -> Training:
    """A schedule of its own brings the backbone's LR to 0 at call 16."""
    training = _with_groups()
    lambdas = [lambda call: max(0.0, 1 - call / 16), lambda call: 1.0]
    training.schedulers = [torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambdas)]
    return training


@kind
def head_every_other_call() -> Training:
    """Every other call trains the head only."""
    return _backbone_learns(_with_groups(), lambda call: call % 2 == 1)


@kind
def thaws_at_12() -> Training:
    """The backbone is frozen for the first eleven calls."""
    model = mlp(4)
    return _backbone_learns(classification(model, _groups(model)), lambda call: call >= 12)


@kind
def freezes_at_12() -> Training:
    """The backbone is frozen from call 12 on, without gradients."""
    model = mlp(4)
    return _backbone_learns(classification(model, _groups(model)), lambda call: call < 12)


@kind
def thaws_layer_by_layer() -> Training:
    """One more layer from the top every six calls."""
    model = mlp(4)
    training = classification(model)

    def begin(call: int) -> None:
        for depth, layer in enumerate((model[4], model[2], model[0])):
            layer.requires_grad_(call > 6 * depth)

    training.begin = begin
    return training


@kind
def zero_layer() -> Training:
    """A linear model that starts at zero."""
    model = nn.Linear(INPUTS, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return regression(model, adam(model, 1e-2), noise=0.3)


@kind
def zero_head() -> Training:
    """Only the head is trained, and it starts at zero."""
    model = mlp(4)
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    model[:-1].requires_grad_(False)
    return classification(model, adam(model[-1], 3e-3))


class LowRank(nn.Module):
    """A frozen layer and a product of two thin matrices beside it, the second zero at first."""

    def __init__(self, layer: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's answer and the product's."""
        moved: torch.Tensor = self.layer(x) + x @ self.down.T @ self.up.T
        return moved


@kind
def lora() -> Training:
    """Low-rank updates of a frozen net."""
    model = mlp(4)
    for at in (0, 2, 4):
        model[at] = LowRank(model[at])
    trained = [p for p in model.parameters() if p.requires_grad]
    return classification(model, torch.optim.AdamW(trained, lr=2e-3))


@kind
def lora_group() -> Training:
    """A tiny low-rank group at a high LR beside a large one at a low LR."""
    model = mlp(4)
    model[4] = LowRank(model[4])
    thin = [model[4].down, model[4].up]
    groups = [{"params": [*model[:4].parameters()], "lr": 3e-4}, {"params": thin, "lr": 5e-3}]
    return classification(model, torch.optim.AdamW(groups))


@kind
def frozen_embedding() -> Training:
    """The first layer never learns."""
    model = mlp(4)
    model[0].requires_grad_(False)
    return classification(model)
