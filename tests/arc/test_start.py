"""A net that has hardly moved from its start: the LR is far too low, and a raise is a leap."""

from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decider import STILL
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, lr_of


class Start:
    """A net of norm 1, its optimizer and its controller."""

    def __init__(self, network: arc.Network, **settings: Any) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.model.weight)
        self.sgd = torch.optim.SGD(self.model.parameters(), lr=0.1)
        settings = {"period": 2, "rollback": True} | settings
        self.controller = arc.Controller(self.sgd, network=network, model=self.model, **settings)

    def moves(self, distance: float, losses: list[float], val_loss: float | None = None) -> Any:
        """A call at whose end the net is so far from its start."""
        nn.init.constant_(self.model.weight, 1.0 + distance)
        return epoch(self.controller, losses, val_loss=val_loss)


@pytest.mark.parametrize("distance, power", [(0.9 * STILL, 5), (1.1 * STILL, 1)])
def test_a_raise_of_a_net_that_has_hardly_moved_is_a_leap(
    answering: Answering, distance: float, power: int
) -> None:
    start = Start(answering(arc.Action.RAISE))
    start.moves(distance, [3.0, 2.9])
    decision = start.moves(distance, [2.9, 2.8])
    assert lr_of(start.sgd) == pytest.approx(0.1 * 1.618**power)
    assert ("hardly moved" in decision.reason) == (power == 5)


@pytest.mark.parametrize("settings", [{"policy": arc.Policy(acceleration=1)}, {"rollback": False}])
def test_without_acceleration_or_rollback_nothing_leaps(answering: Answering, settings: Any) -> None:
    start = Start(answering(arc.Action.RAISE), **settings)
    start.moves(0.0, [3.0, 2.9])
    start.moves(0.0, [2.9, 2.8])
    assert lr_of(start.sgd) == pytest.approx(0.1618)


def test_only_raises_leap(answering: Answering) -> None:
    start = Start(answering(arc.Action.LOWER))
    start.moves(0.0, [3.0, 2.9])
    start.moves(0.0, [2.9, 2.8])
    assert lr_of(start.sgd) == pytest.approx(0.0618)
