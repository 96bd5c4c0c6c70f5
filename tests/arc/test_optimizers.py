"""Every optimizer of torch takes the controller's LR, and trains with it."""

from typing import Any

import pytest
import torch
from torch import nn

import arc
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling

OPTIMIZERS = sorted(
    (c for c in vars(torch.optim).values() if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)),
    key=lambda c: c.__name__,
)
OPTIMIZERS.remove(torch.optim.Optimizer)


def _made(cls: Any, *lrs: float) -> tuple[Any, list[nn.Parameter]]:
    """One 2 x 2 matrix per group: Muon takes matrices only, LBFGS one group."""
    weights = [nn.Parameter(torch.ones(2, 2)) for _ in lrs]
    if cls is torch.optim.LBFGS:
        return cls(weights[:1], lr=lrs[0]), weights[:1]
    return cls([{"params": [w], "lr": lr} for w, lr in zip(weights, lrs, strict=True)]), weights


def _step(optimizer: Any, weights: list[nn.Parameter]) -> list[torch.Tensor]:
    gradient = torch.tensor([[0.5, 1.0], [-1.0, 2.0]])
    for weight in weights:
        sparse = isinstance(optimizer, torch.optim.SparseAdam)
        weight.grad = gradient.to_sparse(1) if sparse else gradient.clone()
    optimizer.step(lambda: torch.tensor(1.0))
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("cls", OPTIMIZERS, ids=lambda c: c.__name__)
def test_it_trains_with_the_controllers_lr(answering: Answering, cls: Any) -> None:
    driven, weights = _made(cls, 0.1, 0.01)
    epoch(arc.Controller(driven, network=answering(arc.Action.LOWER), policy="paper", period=1), falling(0))
    expected, twins = _made(cls, 0.1 * 0.618, 0.01 * 0.618)
    assert [g["lr"] for g in driven.param_groups] == [g["lr"] for g in expected.param_groups]
    for ours, theirs in zip(_step(driven, weights), _step(expected, twins), strict=True):
        assert torch.equal(ours, theirs) and not torch.equal(ours, torch.ones(2, 2))


def test_a_hybrid_of_muon_and_adam_keeps_its_ratio(answering: Answering) -> None:
    """The public Muon recipes join two optimizers behind one list of groups; no more is needed."""
    muon, adam = (_made(c, lr)[0] for c, lr in ((torch.optim.Muon, 0.02), (torch.optim.Adam, 3e-4)))

    class Hybrid:
        param_groups = muon.param_groups + adam.param_groups

    made: Any = Hybrid()
    epoch(arc.Controller(made, network=answering(arc.Action.RAISE), policy="paper", period=1), falling(0))
    lrs = [g["lr"] for o in (muon, adam) for g in o.param_groups]
    assert lrs == pytest.approx([0.02 * 1.618, 3e-4 * 1.618])
