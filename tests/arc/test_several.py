"""Several optimizers of one run: one history, one decision, one copy, one resume."""

import io
import math
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer

CALLS = 12


def test_one_decision_moves_all_by_one_factor(answering: Answering) -> None:
    muon, adamw = optimizer(0.02), optimizer(3e-4, 0.0, 3e-3, cls=torch.optim.AdamW)
    controller = arc.Controller([muon, adamw], network=answering(arc.Action.RAISE), policy="paper", period=1)
    decision = epoch(controller, falling(0), 1.0)
    assert decision is not None and controller.decisions == [decision]
    assert decision.lr_before == (0.02, 3e-4, 0.0, 3e-3)
    ratios = [
        after / before for before, after in zip(decision.lr_before, decision.lr_after, strict=True) if before
    ]
    assert ratios == pytest.approx([1.618] * 3)
    assert tuple(g["lr"] for one in (muon, adamw) for g in one.param_groups) == decision.lr_after
    assert controller.optimizers == (muon, adamw) and controller.optimizer is muon


def test_the_bounds_hold_for_all(answering: Answering) -> None:
    muon, adamw = optimizer(0.02), optimizer(3e-4)
    controller = arc.Controller((muon, adamw), network=answering(arc.Action.RAISE), period=1, max_lr=0.025)
    epoch(controller, falling(0))
    assert (lr_of(muon), lr_of(adamw)) == pytest.approx((0.025, 3.75e-4))


class _Run:
    """A small real training: hidden weights under momentum, the rest under AdamW."""

    def __init__(self, network: arc.Network) -> None:
        torch.manual_seed(0)
        self.inputs = torch.randn(96, 6)
        self.targets = self.inputs.prod(1, keepdim=True).tanh()
        self.model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
        hidden, *others = self.model.parameters()
        self.optimizers = [
            torch.optim.SGD([hidden], lr=0.05, momentum=0.9),
            torch.optim.AdamW(others, lr=1e-2),
        ]
        self.controller = arc.Controller(
            self.optimizers, network=network, model=self.model, period=2, rollback=True, total_calls=CALLS
        )

    def call(self) -> None:
        for rows in torch.arange(96).split(16):
            loss = (self.model(self.inputs[rows]) - self.targets[rows]).square().mean()
            for one in self.optimizers:
                one.zero_grad()
            loss.backward()
            for one in self.optimizers:
                one.step()
            self.controller.record(loss)
        self.controller.step(val_loss=loss.detach())

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "controller": self.controller.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        for one, saved in zip(self.optimizers, state["optimizers"], strict=True):
            one.load_state_dict(saved)
        self.controller.load_state_dict(state["controller"])


@pytest.mark.parametrize("after", [1, 5, 11])
def test_a_run_resumes_exactly(network: arc.Network, after: int) -> None:
    whole, first, second = _Run(network), _Run(network), _Run(network)
    for _ in range(CALLS):
        whole.call()
    for _ in range(after):
        first.call()
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.load(torch.load(file, weights_only=True))
    for _ in range(CALLS - after):
        second.call()
    assert len(whole.controller.decisions) > 3
    assert second.controller.decisions == whole.controller.decisions
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [d.lr_after for d in whole.controller.decisions][-1] == tuple(map(lr_of, second.optimizers))


def test_a_way_back_restores_the_parameters_and_states_of_all(answering: Answering) -> None:
    run = _Run(answering(arc.Action.KEEP))
    for _ in range(8):
        run.call()
    before = [p.detach().clone() for p in run.model.parameters()]
    momenta = [value.clone() for one in run.optimizers for s in one.state.values() for value in s.values()]
    lrs = [lr_of(one) for one in run.optimizers]
    for parameter in run.model.parameters():
        nn.init.constant_(parameter, math.nan)
    with pytest.warns(RecoveryWarning) as told:
        run.call()
    assert any("went back" in str(one.message) for one in told)
    assert run.controller.decisions[-1].restored == 8
    for parameter, kept in zip(run.model.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)
    now = [value for one in run.optimizers for s in one.state.values() for value in s.values()]
    assert all(map(torch.equal, now, momenta))
    factors = [lr_of(one) / lr for one, lr in zip(run.optimizers, lrs, strict=True)]
    assert factors == pytest.approx([factors[0]] * 2) and factors[0] < 1


def test_the_movement_of_all_is_seen(network: arc.Network) -> None:
    """Of a run in which the first optimizer stands still."""
    first, second = optimizer(0.1), optimizer(0.1)
    controller = arc.Controller([first, second], network=network)
    nn.init.constant_(second.param_groups[0]["params"][0], 3.0)
    controller.record(1.0)
    moved = controller._run.end_call(1, None).moved
    assert moved is not None and moved.distance / moved.start == pytest.approx(
        math.sqrt(8) / 2
    )  # from (1, 1, 1, 1) to (1, 1, 3, 3)


def test_other_groups_another_order_or_number_of_optimizers_are_refused(network: arc.Network) -> None:
    state = arc.Controller([optimizer(0.1), optimizer(0.1, 0.2)], network=network).state_dict()
    assert "groups" in state
    for others in ([optimizer(0.1, 0.2), optimizer(0.1)], [optimizer(0.1, 0.2, 0.3)]):
        with pytest.raises(ValueError, match=r"state with 1 \+ 2 parameter groups"):
            arc.Controller(others, network=network).load_state_dict(state)


def test_an_initial_lr_is_searched_for_one(network: arc.Network) -> None:
    with pytest.raises(ValueError, match="with 2 optimizers"):
        arc.Controller([optimizer(0.1), optimizer(0.1)], network=network, lr0="auto")
    with pytest.raises(TypeError, match="same optimizer twice"):
        arc.Controller([one := optimizer(0.1), one], network=network)
