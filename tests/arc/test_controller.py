"""The controller on scripted losses and on a small real training."""

from typing import Any

import pytest
import torch
from torch import nn

import arc
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer


def test_a_decision_comes_every_period_calls(network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, period=3)
    made = [epoch(controller, falling(e), 1.0 / (e + 1)) for e in range(9)]
    assert [d.epoch for d in made if d] == [3, 6, 9] == [d.epoch for d in controller.decisions]


def test_the_lr_is_multiplied_and_ratios_stay(network: arc.Network) -> None:
    sgd = optimizer(0.1, 0.01, 0.0)
    controller = arc.Controller(sgd, network=network, policy="paper", period=1)
    decision = epoch(controller, falling(0), 1.0)
    assert decision is not None
    assert decision.lr_before == (0.1, 0.01, 0.0)
    assert decision.lr_after == pytest.approx([lr * decision.action.multiplier for lr in decision.lr_before])
    assert tuple(g["lr"] for g in sgd.param_groups) == decision.lr_after


def test_the_probabilities_are_the_networks_on_the_features(network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, policy="paper", period=2)
    decisions = [epoch(controller, falling(e), 1.0 / (e + 1)) for e in range(4)]
    first, second = (d for d in decisions if d)
    window = [
        arc.Period(train_loss=falling(0) + falling(1), val_loss=[1.0, 1 / 2], lr=[0.1, 0.1]),
        arc.Period(train_loss=falling(2) + falling(3), val_loss=[1 / 3, 1 / 4], lr=[first.lr_after[0]] * 2),
    ]
    expected = network(torch.from_numpy(arc.featurise(window))[None]).softmax(1)[0].tolist()
    assert second.probabilities == pytest.approx(expected, abs=1e-6)
    assert second.action == max(arc.Action, key=lambda a: expected[a])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_losses_that_are_mostly_not_finite_lower_at_once(network: arc.Network, bad: float) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=network, policy="paper")
    decision = epoch(controller, [1.0, bad, bad])
    assert decision is not None and decision.action is arc.Action.LOWER
    assert sgd.param_groups[0]["lr"] == pytest.approx(0.1 * 0.618)


def test_a_decision_survives_json(network: arc.Network) -> None:
    import json

    decision = epoch(arc.Controller(optimizer(0.1), network=network, period=1), falling(0))
    assert decision is not None
    assert arc.Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision


def test_from_pretrained(tmp_path: Any, network: arc.Network) -> None:
    arc.weights.save(network, tmp_path / "c", {}, "card")
    controller = arc.Controller.from_pretrained(tmp_path / "c", optimizer(0.1), period=1)
    plain = arc.Controller(optimizer(0.1), network=network, period=1)
    assert epoch(controller, falling(0)) == epoch(plain, falling(0))


def test_a_real_training_is_driven(answering: Answering) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-4)
    controller = arc.Controller(adam, network=answering(arc.Action.RAISE), policy="paper", period=1)
    inputs = torch.randn(64, 4)
    for _ in range(5):
        for rows in inputs.split(16):
            loss = (model(rows) - rows.sum(1, keepdim=True)).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            controller.record(loss)
        controller.step()
    assert lr_of(adam) == pytest.approx(1e-4 * 1.618**5)


def test_tensor_lrs_are_filled_in_place(answering: Answering) -> None:
    lr = torch.tensor(0.1)
    adam = torch.optim.Adam([nn.Parameter(torch.ones(2))], lr=lr, capturable=False, foreach=False)
    epoch(arc.Controller(adam, network=answering(arc.Action.RAISE), policy="paper", period=1), falling(0))
    assert adam.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.1618)


def test_advise_touches_nothing(answering: Answering) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), mode="advise", period=1)
    decisions = [epoch(controller, falling(e), e + 1.0) for e in range(3)]
    assert [d.action for d in decisions if d] == [arc.Action.RAISE] * 3
    assert decisions[0] is not None and decisions[0].lr_after == pytest.approx([0.1618])
    assert lr_of(sgd) == 0.1


def test_validation_may_be_sparse(network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, period=2)
    for e in range(12):
        epoch(controller, falling(e), 1.0 / (e + 1) if e % 5 == 0 else None)
    assert len(controller.decisions) == 6


def test_a_reason_is_words(answering: Answering) -> None:
    controller = arc.Controller(optimizer(0.1), network=answering(arc.Action.RAISE), policy="paper", period=2)
    decision = epoch(controller, falling(0), 1.0) or epoch(controller, falling(1), 1.0)
    assert decision is not None
    assert decision.reason == "validation loss flat over 2 epochs, training loss falling: raise, p=0.99"


def test_detach_leaves_the_optimizer_as_it_is(answering: Answering) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=1)
    controller.detach()
    assert epoch(controller, falling(0)) is None
    assert lr_of(sgd) == 0.1


def test_the_figure_shows_losses_and_lr(tmp_path: Any, network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, period=2)
    with pytest.raises(ValueError, match="nothing to draw"):
        controller.plot()
    for e in range(6):
        epoch(controller, falling(e), 1.0 / (e + 1))
    figure = controller.plot(tmp_path / "run.png")
    above, below = figure.axes
    assert len(above.lines[0].get_xdata()) == len(below.lines[0].get_xdata()) == 6  # type: ignore[arg-type]
    assert (tmp_path / "run.png").stat().st_size > 1000


@pytest.mark.parametrize("settings", [{"period": 0}, {"period": 1.5}, {"policy": "best"}])
def test_bad_settings_are_shown(network: arc.Network, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"got {next(iter(settings))}="):
        arc.Controller(optimizer(0.1), network=network, **settings)


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), 0.0])
def test_an_optimizer_without_a_usable_lr_is_refused(network: arc.Network, lr: float) -> None:
    sgd = optimizer(0.1)
    sgd.param_groups[0]["lr"] = lr
    with pytest.raises(ValueError, match="got lr="):
        arc.Controller(sgd, network=network)


@pytest.mark.parametrize("loss", ["1.0", None, True, [1.0], torch.tensor(True), 1j])
def test_a_loss_that_is_no_number_is_refused(network: arc.Network, loss: Any) -> None:
    with pytest.raises(TypeError, match="got "):
        arc.Controller(optimizer(0.1), network=network).record(loss)


def test_step_without_a_loss_is_refused(network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network)
    with pytest.raises(RuntimeError, match=r"call record\(loss\)"):
        controller.step(val_loss=1.0)


def test_one_mean_stands_for_the_steps_that_are_told() -> None:
    """As a loop has it that records one mean an epoch: without them an LR far off waits ten epochs."""
    first, told = (arc.Controller(optimizer(0.1), mode="advise") for _ in range(2))
    for call in range(2):
        for controller, steps in ((first, None), (told, 50)):
            controller.record(1.0 / (call + 1))
            controller.step(steps=steps)
    assert [c._run.course.held_steps for c in (first, told)] == [2, 100]


def test_a_warmup_counts_steps_that_are_told() -> None:
    controller = arc.Controller(optimizer(0.1), warmup=60, mode="advise")
    for kept in (0, 0, 1):
        controller.record(1.0)
        controller.step(steps=50)
        assert len(controller._run.course.calls) == kept


@pytest.mark.parametrize("steps", [0, -3, 1.5, True, "many"])
def test_steps_that_are_no_positive_integer_are_refused(steps: Any) -> None:
    controller = arc.Controller(optimizer(0.1))
    controller.record(1.0)
    with pytest.raises(ValueError, match=r"got steps=.*need an integer >= 1 \(optimizer steps since"):
        controller.step(steps=steps)
    controller.step(steps=4)
