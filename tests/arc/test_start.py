"""An initial LR of the wrong size, seen by how far the net moved: a second start, and a leap."""

from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.recovery.guards import AS_FAR, FAR, STILL
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

    @property
    def distance(self) -> float:
        return self.model.weight.item() - 1.0


@pytest.fixture(params=["memory", "files"])
def rollback(request: Any, tmp_path: Any) -> Any:
    return True if request.param == "memory" else tmp_path / "states"


@pytest.mark.parametrize("fall, kept", [(AS_FAR + 0.01, True), (AS_FAR - 0.01, False)])
def test_a_net_that_moved_far_starts_again_and_the_better_start_goes_on(
    answering: Answering, rollback: Any, fall: float, kept: bool
) -> None:
    start = Start(answering(arc.Action.KEEP), rollback=rollback)
    again = start.moves(FAR, [3.0, 2.0])
    assert again.action is arc.Action.LOWER and "starts again at a lower LR" in again.reason
    assert start.distance == 0 and lr_of(start.sgd) == pytest.approx(0.01)
    decision = start.moves(0.3, [3.0, 3.0 - fall])
    assert lr_of(start.sgd) == pytest.approx(0.01 if kept else 0.1)
    if kept:
        assert decision is None and start.distance == pytest.approx(0.3)
    else:
        assert decision.action is arc.Action.RAISE
        assert decision.reason.endswith("went back to the first start")
        assert start.distance == pytest.approx(FAR)


def test_a_second_start_that_moved_far_is_followed_by_a_third(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP))
    for n in range(1, 4):
        assert start.moves(2.0, [3.0, 2.0]) is not None
        assert lr_of(start.sgd) == pytest.approx(0.1**n * 0.1)


def test_only_the_first_call_of_a_start_is_asked_how_far_it_moved(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP), period=3)
    assert start.moves(0.9 * FAR, [3.0, 2.0]) is None
    assert start.moves(5 * FAR, [2.0, 1.5]) is None
    start = Start(answering(arc.Action.KEEP), period=3)
    start.moves(FAR, [3.0, 2.0])
    start.moves(0.1, [3.0, 3.0])  # the first start goes on
    assert start.moves(5 * FAR, [2.0, 1.5]) is None


def test_a_second_start_that_breaks_off_is_not_kept(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP))
    start.moves(FAR, [3.0, 2.0])
    assert start.moves(0.1, [3.0, float("nan")]).reason.endswith("went back to the first start")
    assert start.distance == pytest.approx(FAR) and lr_of(start.sgd) == pytest.approx(0.1)


def test_at_the_lower_bound_there_is_no_second_start(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP), min_lr=0.1)
    assert start.moves(FAR, [3.0, 2.0]) is None and start.distance == pytest.approx(FAR)


def test_a_bound_shortens_the_way_down_and_back(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP), min_lr=0.05)
    start.moves(FAR, [3.0, 2.0])
    assert lr_of(start.sgd) == pytest.approx(0.05)
    start.moves(0.1, [3.0, 3.0])
    assert lr_of(start.sgd) == pytest.approx(0.1)


def test_the_losses_of_the_start_that_was_given_up_are_forgotten(answering: Answering) -> None:
    start = Start(answering(arc.Action.KEEP), period=1)
    start.moves(FAR, [3.0, 1.0])
    decision = start.moves(0.1, [3.0, 2.0])
    assert decision.reason.startswith("training loss falling over 1 epoch")


def test_a_second_start_survives_a_resume(answering: Answering) -> None:
    start, other = Start(answering(arc.Action.KEEP)), Start(answering(arc.Action.KEEP))
    start.moves(FAR, [3.0, 2.0])
    other.controller.load_state_dict(start.controller.state_dict())
    other.sgd.load_state_dict(start.sgd.state_dict())
    assert other.moves(0.1, [3.0, 3.0]).reason.endswith("went back to the first start")
    assert other.distance == pytest.approx(FAR) and lr_of(other.sgd) == pytest.approx(0.1)


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
