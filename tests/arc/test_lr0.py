"""No LR given: step sampling finds one before the first step."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import arc


def _problem() -> dict[str, Any]:
    torch.manual_seed(0)
    inputs = torch.randn(64, 8)
    targets = inputs.sum(1, keepdim=True)
    model = nn.Linear(8, 1)

    def loss_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        loss: Tensor = (model(batch[0]) - batch[1]).square().mean()
        return loss

    def validate() -> float:
        return float(loss_fn(model, (inputs, targets)).detach())

    batches = list(zip(inputs.split(16), targets.split(16), strict=True))
    return {"model": model, "loss_fn": loss_fn, "train_batches": batches, "val_fn": validate}


def test_the_lr_is_found_and_nothing_else_changes(network: arc.Network) -> None:
    problem = _problem()
    before = problem["model"].weight.detach().clone()
    sgd = torch.optim.SGD(problem["model"].parameters(), lr=1e-9)
    found = arc.suggest_lr(optimizer=sgd, **problem)
    assert 1e-3 < found.lr < 1 and sgd.param_groups[0]["lr"] == 1e-9
    controller = arc.Controller(sgd, network=network, lr0="auto", **problem)
    assert sgd.param_groups[0]["lr"] == pytest.approx(found.lr)
    assert controller.suggestion is not None and controller.suggestion.cost.steps > 0
    assert torch.equal(problem["model"].weight, before)


def test_the_found_lr_stays_within_the_bounds(network: arc.Network) -> None:
    problem = _problem()
    sgd = torch.optim.SGD(problem["model"].parameters(), lr=1e-5)
    arc.Controller(sgd, network=network, lr0="auto", max_lr=1e-4, **problem)
    assert sgd.param_groups[0]["lr"] == pytest.approx(1e-4)


@pytest.mark.parametrize("missing", ["model", "loss_fn", "train_batches", "val_fn"])
def test_what_is_missing_is_named(network: arc.Network, missing: str) -> None:
    problem = {**_problem(), missing: None}
    sgd = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1e-9)
    with pytest.raises(ValueError, match=f"got {missing}=None with lr0='auto'"):
        arc.Controller(sgd, network=network, lr0="auto", **problem)
