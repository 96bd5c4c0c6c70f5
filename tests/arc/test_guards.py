"""Losses that are not finite, bounds, warmup, settings."""

import math
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer

BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("as_tensor", [True, False])
def test_losses_that_are_mostly_not_finite_lower_between_decisions(
    answering: Answering, bad: float, as_tensor: bool
) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=5, rollback=False)
    epoch(controller, falling(0))
    losses: list[Any] = [1.0, bad, bad]
    decision = epoch(controller, [torch.tensor(v) for v in losses] if as_tensor else losses)
    assert decision is not None and decision.epoch == 2
    assert decision.action is arc.Action.LOWER and decision.source == "guard"
    assert decision.reason == "67% of the training losses are not finite"
    assert lr_of(sgd) == pytest.approx(0.1 * 0.618**3)


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_loss_or_validation_is_left_out_and_told_once(answering: Answering, bad: float) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=2)
    with pytest.warns(RecoveryWarning) as told:
        for e in range(6):
            decision = epoch(controller, [1.0, bad, 1.0 - e / 10], val_loss=bad)
            assert (decision is None) == (e % 2 == 0)
    assert [str(w.message).split(": ")[1][:24] for w in told] == [
        "some training losses are",
        "a validation loss is not",
    ]
    assert lr_of(sgd) == 0.1
    assert {d.action for d in controller.decisions} == {arc.Action.KEEP}


def test_a_bad_loss_that_was_not_kept_is_noticed(answering: Answering) -> None:
    for as_tensor in (True, False):
        controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.RAISE), period=5)
        losses: list[Any] = [1.0] * 5000
        losses[4097] = float("nan")
        with pytest.warns(RecoveryWarning, match="some training losses are not finite"):
            assert epoch(controller, [torch.tensor(v) for v in losses] if as_tensor else losses) is None
        assert epoch(controller, [1.0] * 10) is None  # told of one call only


def test_decisions_go_on_after_bad_losses(answering: Answering) -> None:
    controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.KEEP), period=2, rollback=False)
    made = [epoch(controller, [float("nan")] if e == 1 else falling(e)) for e in range(6)]
    assert [d.action.label if d else "" for d in made] == ["", "lower", "", "keep", "", "keep"]


def test_the_paper_lowers_by_its_own_step(answering: Answering) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), policy="paper", period=5)
    assert epoch(controller, [math.nan]) is not None
    assert lr_of(sgd) == pytest.approx(0.0618)


def test_bounds_stop_every_group(answering: Answering) -> None:
    up = optimizer(0.1, 0.01, 0.0)
    controller = arc.Controller(up, network=answering(arc.Action.RAISE), period=1, max_lr=0.2)
    for e in range(4):
        epoch(controller, falling(e))
    assert [g["lr"] for g in up.param_groups] == pytest.approx([0.2, 0.02, 0.0])
    down = optimizer(0.1, 0.01, 0.0)
    controller = arc.Controller(down, network=answering(arc.Action.LOWER), period=1, min_lr=0.005)
    for e in range(4):
        epoch(controller, falling(e))
    assert [g["lr"] for g in down.param_groups] == pytest.approx([0.05, 0.005, 0.0])


@pytest.mark.parametrize("bound", [{"min_lr": 0.2}, {"max_lr": 0.05}])
def test_an_lr_outside_the_bounds_is_refused(network: arc.Network, bound: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"got lr=0\.1 and m.._lr="):
        arc.Controller(optimizer(0.1), network=network, **bound)


def test_no_number_of_moves_reaches_zero_or_infinity(answering: Answering) -> None:
    for action, lr in ((arc.Action.LOWER, 1e-9), (arc.Action.RAISE, 1e4)):
        sgd = optimizer(lr)
        controller = arc.Controller(sgd, network=answering(action), period=1)
        for e in range(40):
            epoch(controller, falling(e))
        assert 1e-12 <= lr_of(sgd) <= 1e6


def test_nothing_changes_during_the_warmup(answering: Answering) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=1, warmup=20)
    made = [epoch(controller, [math.nan] * 10 if e < 2 else falling(e)) for e in range(4)]
    assert [d is not None for d in made] == [False, False, True, True]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rollback": True, "model": "net"}, "got model='net'"),
        ({"rollback": 1}, "got rollback=1"),
        ({"rollback": True, "model": nn.Linear(1, 1), "mode": "advise"}, "touches nothing"),
        ({"mode": "control me"}, "got mode='control me'"),
        ({"min_lr": 0.0}, "got min_lr=0"),
        ({"max_lr": math.nan}, "got max_lr=nan"),
        ({"max_lr": "high"}, "got max_lr='high'"),
        ({"min_lr": 0.2, "max_lr": 0.1}, "above max_lr"),
        ({"warmup": -1}, "got warmup=-1"),
        ({"warmup": 1.5}, r"got warmup=1\.5"),
        ({"total_calls": 0}, "got total_calls=0"),
        ({"period": True}, "got period=True"),
        ({"scheduler": "cosine"}, "got scheduler='cosine'"),
        ({"lr0": 0.1}, r"got lr0=0\.1"),
        ({"lr0": "auto"}, "got model=None with lr0='auto'"),
        ({"lr0": "auto", "mode": "advise"}, "touches nothing"),
    ],
)
def test_bad_settings_say_what_would_do(network: arc.Network, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        arc.Controller(optimizer(0.1), network=network, **settings)
