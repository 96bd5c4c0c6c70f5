"""Losses that leave the rails, bounds, warmup, going back."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.policy.default import PolicyName
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer

BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("as_tensor", [True, False])
def test_a_loss_that_is_not_finite_lowers_between_decisions(
    answering: Answering, bad: float, as_tensor: bool
) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=5)
    epoch(controller, falling(0))
    losses: list[Any] = [1.0, bad, 1.0]
    decision = epoch(controller, [torch.tensor(v) for v in losses] if as_tensor else losses)
    assert decision is not None and decision.epoch == 2
    assert decision.action is arc.Action.LOWER and decision.reason == "training loss is not finite"
    assert lr_of(sgd) == pytest.approx(0.1 * 0.618**3)


@pytest.mark.parametrize("bad", BAD)
def test_a_validation_loss_that_is_not_finite_lowers(answering: Answering, bad: float) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), policy="paper", period=5)
    decision = epoch(controller, falling(0), val_loss=bad)
    assert decision is not None and decision.reason == "validation loss is not finite"
    assert lr_of(sgd) == pytest.approx(0.1 * 0.618)


def test_a_bad_loss_that_was_not_kept_is_noticed(answering: Answering) -> None:
    for as_tensor in (True, False):
        controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.RAISE), period=5)
        losses: list[Any] = [1.0] * 5000
        losses[4097] = float("nan")
        decision = epoch(controller, [torch.tensor(v) for v in losses] if as_tensor else losses)
        assert decision is not None and decision.reason == "training loss is not finite"


def test_decisions_go_on_after_a_bad_loss(answering: Answering) -> None:
    controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.KEEP), period=2)
    made = [epoch(controller, [float("nan")] if e == 1 else falling(e)) for e in range(6)]
    assert [d.action.label if d else "" for d in made] == ["", "lower", "", "keep", "", "keep"]


@pytest.mark.parametrize(
    "losses, limit",
    [
        ([[2.3, 2.3, 2.2]], 2.2 + 10 * 0.23),  # flat so far: the span counts as a tenth of the largest
        ([[2.3, 2.3, 9.0]], 2.3 + 10 * 6.7),
        ([[2.3, 2.0, 1.5], [0.2, 0.1]], 2.3),  # fallen clearly: back at the first loss is too much
        ([[-1.0, -2.0], [-4.0]], -1.0),
    ],
)
def test_an_exploded_loss_lowers_and_the_paper_does_not_care(
    answering: Answering, losses: list[list[float]], limit: float
) -> None:
    expectations: dict[PolicyName, float] = {"default": 0.1 * 0.618**3, "paper": 0.1}
    for policy, expected in expectations.items():
        sgd = optimizer(0.1)
        controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), policy=policy, period=9)
        for call in losses:
            assert epoch(controller, call) is None
        assert epoch(controller, [limit - 1e-6]) is None
        assert lr_of(sgd) == 0.1
        controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), policy=policy, period=9)
        for call in losses:
            epoch(controller, call)
        decision = epoch(controller, [limit + 1e-6])
        assert lr_of(sgd) == pytest.approx(expected)
        assert (decision is not None and "exploded to" in decision.reason) == (policy == "default")


def test_a_flat_start_is_no_alarm(answering: Answering) -> None:
    controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.KEEP), period=2)
    epoch(controller, [2.3026, 2.3025])
    decision = epoch(controller, [2.35, 2.31])
    assert decision is not None and decision.action is arc.Action.KEEP


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


def _net(value: float) -> nn.Linear:
    net = nn.Linear(4, 1, bias=False)
    nn.init.constant_(net.weight, value)
    return net


@pytest.fixture(params=["memory", "files"])
def rollback(request: Any, tmp_path: Path) -> bool | Path:
    return True if request.param == "memory" else tmp_path / "states"


def test_the_last_good_state_comes_back(answering: Answering, rollback: Any) -> None:
    model = _net(1.0)
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    controller = arc.Controller(
        adam, network=answering(arc.Action.KEEP), period=1, model=model, rollback=rollback
    )
    for e in range(4):
        model(torch.ones(1, 4)).sum().backward()
        adam.step()
        epoch(controller, falling(e))
    good = model.weight.detach().clone()
    moments = {k: v.clone() for k, v in adam.state[model.weight].items()}
    model(torch.full((1, 4), math.inf)).sum().backward()
    adam.step()
    assert not model.weight.isfinite().all()
    decision = epoch(controller, [math.nan])
    assert decision is not None and decision.reason.endswith("went back to the good state")
    torch.testing.assert_close(model.weight.detach(), good)
    for key, moment in moments.items():
        torch.testing.assert_close(adam.state[model.weight][key], moment)
    assert lr_of(adam) == pytest.approx(0.1 * 0.618**3)


def test_a_restored_tensor_lr_is_the_same_tensor(answering: Answering) -> None:
    model, lr = _net(1.0), torch.tensor(0.1)
    adam = torch.optim.Adam(model.parameters(), lr=lr, foreach=False)
    controller = arc.Controller(adam, network=answering(arc.Action.KEEP), model=model, rollback=True)
    epoch(controller, [math.nan])
    assert adam.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.01)


@pytest.mark.parametrize("ruin", ["not finite", "at its first value"])
def test_a_ruined_start_begins_anew_at_a_lower_lr(answering: Answering, rollback: Any, ruin: str) -> None:
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.KEEP), period=2, model=model, rollback=rollback
    )
    nn.init.constant_(model.weight, 50.0)
    last = math.nan if ruin == "not finite" else 2.4
    decision = epoch(controller, [2.3, 9.0, 3.0]) or epoch(controller, [last])
    assert decision is not None and decision.reason.endswith("went back to the initial state")
    assert model.weight.tolist() == [[1.0] * 4]
    assert lr_of(sgd) == pytest.approx(0.1)


def test_a_start_too_slow_to_move_is_not_ruined(answering: Answering) -> None:
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-6)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.RAISE), period=1, model=model, rollback=True
    )
    nn.init.constant_(model.weight, 1.0001)
    decision = epoch(controller, [2.3, 2.31, 2.32])
    assert decision is not None and decision.action is arc.Action.RAISE


@pytest.mark.parametrize("spike, restarts", [(6.8, False), (7.0, True)])
def test_a_start_that_came_down_from_far_above_is_ruined_too(
    answering: Answering, spike: float, restarts: bool
) -> None:
    model = _net(1.0)
    adam = torch.optim.Adam(model.parameters(), lr=1.0)
    controller = arc.Controller(
        adam, network=answering(arc.Action.KEEP), period=2, model=model, rollback=True
    )
    nn.init.constant_(model.weight, 1.5)
    decision = epoch(controller, [2.3, spike, *[1.0] * 8]) or epoch(controller, [1.0])
    assert decision is not None and ("initial state" in decision.reason) == restarts
    assert lr_of(adam) == pytest.approx(0.1 if restarts else 1.0)


def test_a_new_start_is_judged_by_its_own_losses(answering: Answering) -> None:
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, model=model, rollback=True)
    nn.init.constant_(model.weight, 50.0)
    epoch(controller, [2.3, 5000.0, 9.0])
    assert lr_of(sgd) == pytest.approx(0.1)
    nn.init.constant_(model.weight, 1.5)
    for e in range(4):
        decision = epoch(controller, [2.0 / (e + 1)])
        assert decision is not None and decision.action is arc.Action.KEEP
    decision = epoch(controller, [2.4])
    assert decision is not None and "exploded to 2.4 (was 0.5 to 2.3)" in decision.reason


def test_after_the_start_the_last_good_state_comes_back(answering: Answering) -> None:
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, model=model, rollback=True)
    for e in range(4):
        nn.init.constant_(model.weight, float(e))
        epoch(controller, falling(e))
    nn.init.constant_(model.weight, 50.0)
    decision = epoch(controller, [2.4])
    assert decision is not None and decision.reason.endswith("went back to the good state")
    assert model.weight.tolist() == [[3.0] * 4]


def _trial(
    answering: Answering, rollback: Any, *, losses: float, val_loss: float
) -> tuple[Any, nn.Linear, Any]:
    """A raise after a good period, and the period after it: its weights are 50, its losses are given."""
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.RAISE), period=2, model=model, rollback=rollback
    )
    epoch(controller, [2.0, 1.8], val_loss=1.9)
    nn.init.constant_(model.weight, 3.0)
    assert epoch(controller, [1.7, 1.6], val_loss=1.7) is not None
    assert lr_of(sgd) == pytest.approx(0.1618)
    nn.init.constant_(model.weight, 50.0)
    assert epoch(controller, [1.7, 1.7], val_loss=1.7) is None
    return epoch(controller, [losses], val_loss=val_loss), model, sgd


def test_a_raise_after_which_all_losses_got_worse_is_undone_with_its_state(
    answering: Answering, rollback: Any
) -> None:
    decision, model, sgd = _trial(answering, rollback, losses=1.7, val_loss=1.75)
    assert decision.reason.endswith("went back to the state before it")
    assert model.weight.tolist() == [[3.0] * 4]
    assert lr_of(sgd) == pytest.approx(0.1)


@pytest.mark.parametrize("losses", [2.5, math.nan])
def test_a_raise_after_which_the_loss_explodes_is_undone_with_its_state(
    answering: Answering, rollback: Any, losses: float
) -> None:
    decision, model, sgd = _trial(answering, rollback, losses=losses, val_loss=1.6)
    assert decision.reason.endswith("after a raise, went back to the state before it")
    assert model.weight.tolist() == [[3.0] * 4]  # not the initial state, although this is still the start
    assert lr_of(sgd) == pytest.approx(0.1)


@pytest.mark.parametrize("losses, val_loss, lr", [(1.6, 1.75, 0.1), (1.7, 1.6, 0.1618 * 1.618**2)])
def test_where_one_loss_got_better_the_state_stays(
    answering: Answering, losses: float, val_loss: float, lr: float
) -> None:
    _, model, sgd = _trial(answering, True, losses=losses, val_loss=val_loss)
    assert model.weight.tolist() == [[50.0] * 4]
    assert lr_of(sgd) == pytest.approx(lr)  # the validation loss alone takes the LR back


def test_without_undo_no_raise_is_on_trial(answering: Answering) -> None:
    model = _net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    policy = arc.Policy(undo=False, acceleration=1)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.RAISE), policy=policy, period=1, model=model, rollback=True
    )
    epoch(controller, [2.2, 1.8], val_loss=2.0)
    assert "before" not in controller.state_dict()["decider"]["recovery"]["copies"]
    nn.init.constant_(model.weight, 50.0)
    epoch(controller, [2.01], val_loss=2.01)
    assert model.weight.tolist() == [[50.0] * 4]
    assert lr_of(sgd) == pytest.approx(0.1 * 1.618**2)


def test_an_undone_raise_is_undone_after_a_resume_too(answering: Answering) -> None:
    def controlled(model: nn.Linear) -> tuple[arc.Controller, torch.optim.SGD]:
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        network = answering(arc.Action.RAISE)
        return arc.Controller(sgd, network=network, period=1, model=model, rollback=True), sgd

    model = _net(1.0)
    controller, sgd = controlled(model)
    epoch(controller, [2.2, 1.8], val_loss=2.0)
    saved = controller.state_dict(), sgd.state_dict()
    resumed = _net(50.0)
    controller, sgd = controlled(resumed)
    controller.load_state_dict(saved[0])
    sgd.load_state_dict(saved[1])
    decision = epoch(controller, [2.01], val_loss=2.01)
    assert decision is not None and decision.reason.endswith("went back to the state before it")
    assert resumed.weight.tolist() == [[1.0] * 4]
    assert lr_of(sgd) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rollback": True}, "model=net"),
        ({"rollback": "yes", "model": "net"}, "model=net"),
        ({"rollback": 1}, "got rollback=1"),
        ({"rollback": True, "model": nn.Linear(1, 1), "mode": "advise"}, "touches nothing"),
        ({"mode": "control me"}, "got mode='control me'"),
        ({"min_lr": 0.0}, "got min_lr=0"),
        ({"max_lr": math.nan}, "got max_lr=nan"),
        ({"max_lr": "high"}, "got max_lr='high'"),
        ({"min_lr": 0.2, "max_lr": 0.1}, "above max_lr"),
        ({"warmup": -1}, "got warmup=-1"),
        ({"warmup": 1.5}, r"got warmup=1\.5"),
        ({"total_epochs": 0}, "got total_epochs=0"),
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
