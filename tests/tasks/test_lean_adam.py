"""Torch's own steps, bit for bit, whatever happens between them."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tasks.lean_adam import LeanAdam, LeanAdamW

PAIRS = [(LeanAdam, torch.optim.Adam), (LeanAdamW, torch.optim.AdamW)]


def _trained(optimizer: type[torch.optim.Optimizer], case: str, **settings: Any) -> list[Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 1))
    unused = nn.Linear(2, 2)
    parts = [net, unused] if case == "no gradient" else [net]
    parameters = [p for part in parts for p in part.parameters()]
    groups = (
        [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.1}]
        if case == "groups"
        else parameters
    )
    made = optimizer(groups, lr=0.03, fused=True, **settings)  # type: ignore[arg-type, call-arg]
    saved = None
    for step in range(12):
        if step == 4:
            saved = copy.deepcopy((net.state_dict(), made.state_dict()))
        if step == 8 and case == "restored":
            assert saved is not None
            net.load_state_dict(saved[0])
            made.load_state_dict(copy.deepcopy(saved[1]))
        if step == 6:
            made.param_groups[0]["lr"] *= 1.618

        def closure() -> Tensor:
            made.zero_grad()
            loss: Tensor = (net(torch.linspace(-1, 1, 20).view(5, 4)) - 1).square().mean()
            loss.backward()
            return loss

        if case == "closure":
            made.step(closure)  # type: ignore[arg-type]
        else:
            closure()
            made.step()
    return [p.detach().clone() for p in parameters]


@pytest.mark.parametrize("case", ["plain", "restored", "groups", "no gradient", "closure"])
@pytest.mark.parametrize(("lean", "plain"), PAIRS)
def test_the_same_bits_as_torchs(
    lean: type[torch.optim.Optimizer], plain: type[torch.optim.Optimizer], case: str
) -> None:
    for ours, theirs in zip(_trained(lean, case), _trained(plain, case), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("settings", [{"amsgrad": True}, {"maximize": True}, {"weight_decay": 0.1}])
def test_settings_count(settings: dict[str, Any]) -> None:
    for ours, theirs in zip(
        _trained(LeanAdam, "plain", **settings), _trained(torch.optim.Adam, "plain", **settings), strict=True
    ):
        assert torch.equal(ours, theirs)
