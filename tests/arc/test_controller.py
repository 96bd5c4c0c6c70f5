"""The controller on scripted losses and on a small real training."""

import io
from typing import Any

import pytest
import torch
from torch import nn

import arc


def _optimizer(*lr: float, cls: Any = torch.optim.SGD, **settings: Any) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": value} for value in lr]
    return cls(groups, **settings)


def _epoch(
    controller: arc.Controller, losses: list[float], val_loss: float | None = None
) -> arc.Decision | None:
    for loss in losses:
        controller.record(loss)
    return controller.step(val_loss=val_loss)


def _falling(epoch: int) -> list[float]:
    return [2.0 / (1 + epoch + i / 10) for i in range(10)]


def test_a_decision_comes_every_period_calls(network: arc.Network) -> None:
    controller = arc.Controller(_optimizer(0.1), network=network, period=3)
    made = [_epoch(controller, _falling(e), 1.0 / (e + 1)) for e in range(9)]
    assert [d.epoch for d in made if d] == [3, 6, 9] == [d.epoch for d in controller.decisions]


def test_the_lr_is_multiplied_and_ratios_stay(network: arc.Network) -> None:
    optimizer = _optimizer(0.1, 0.01, 0.0)
    controller = arc.Controller(optimizer, network=network, policy="paper", period=1)
    decision = _epoch(controller, _falling(0), 1.0)
    assert decision is not None
    assert decision.lr_before == (0.1, 0.01, 0.0)
    assert decision.lr_after == pytest.approx([lr * decision.action.multiplier for lr in decision.lr_before])
    assert tuple(g["lr"] for g in optimizer.param_groups) == decision.lr_after


def test_the_probabilities_are_the_networks_on_the_features(network: arc.Network) -> None:
    controller = arc.Controller(_optimizer(0.1), network=network, policy="paper", period=2)
    decisions = [_epoch(controller, _falling(e), 1.0 / (e + 1)) for e in range(4)]
    first, second = (d for d in decisions if d)
    window = [
        arc.Period(train_loss=_falling(0) + _falling(1), val_loss=[1.0, 1 / 2], lr=[0.1, 0.1]),
        arc.Period(train_loss=_falling(2) + _falling(3), val_loss=[1 / 3, 1 / 4], lr=[first.lr_after[0]] * 2),
    ]
    expected = network(torch.from_numpy(arc.featurise(window))[None]).softmax(1)[0].tolist()
    assert second.probabilities == pytest.approx(expected, abs=1e-6)
    assert second.action == max(arc.Action, key=lambda a: expected[a])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_lowers_at_once(network: arc.Network, bad: float) -> None:
    optimizer = _optimizer(0.1)
    controller = arc.Controller(optimizer, network=network, policy="paper")
    decision = _epoch(controller, [1.0, bad, 1.0])
    assert decision is not None and decision.action is arc.Action.LOWER
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.618)


def test_state_survives_torch_save_in_mid_period(network: arc.Network) -> None:
    def run(interrupted: bool) -> list[dict[str, Any]]:
        optimizer = _optimizer(0.1)
        controller = arc.Controller(optimizer, network=network, period=2)
        for epoch in range(8):
            for i, loss in enumerate(_falling(epoch)):
                if interrupted and epoch in (3, 4) and i == 5:
                    file = io.BytesIO()
                    torch.save([controller.state_dict(), optimizer.state_dict()], file)
                    file.seek(0)
                    state, optimizer_state = torch.load(file, weights_only=True)
                    optimizer = _optimizer(1.0)
                    optimizer.load_state_dict(optimizer_state)
                    controller = arc.Controller(optimizer, network=network, period=2)
                    controller.load_state_dict(state)
                controller.record(torch.tensor(loss) if epoch % 2 else loss)
            controller.step(val_loss=1.0 + (epoch % 3))
        return [d.as_dict() for d in controller.decisions]

    assert run(interrupted=True) == run(interrupted=False)


def test_a_decision_survives_json(network: arc.Network) -> None:
    import json

    decision = _epoch(arc.Controller(_optimizer(0.1), network=network, period=1), _falling(0))
    assert decision is not None
    assert arc.Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision


def test_from_pretrained(tmp_path: Any, network: arc.Network) -> None:
    arc.weights.save(network, tmp_path / "c", {}, "card")
    controller = arc.Controller.from_pretrained(tmp_path / "c", _optimizer(0.1), period=1)
    plain = arc.Controller(_optimizer(0.1), network=network, period=1)
    assert _epoch(controller, _falling(0)) == _epoch(plain, _falling(0))


def test_a_too_low_lr_of_a_real_training_changes() -> None:
    torch.manual_seed(0)
    network = arc.Network().eval()
    nn.init.constant_(network.dense[2].bias, 0.0)  # type: ignore[arg-type]
    network.dense[2].bias.data[arc.Action.RAISE] = 10.0  # type: ignore[index]
    model = nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    controller = arc.Controller(optimizer, network=network, policy="paper", period=1)
    inputs = torch.randn(64, 4)
    for _ in range(5):
        for rows in inputs.split(16):
            loss = (model(rows) - rows.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            controller.record(loss)
        controller.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-4 * 1.618**5)


@pytest.mark.parametrize("settings", [{"period": 0}, {"period": 1.5}, {"policy": "best"}])
def test_bad_settings_are_shown(network: arc.Network, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"got {next(iter(settings))}="):
        arc.Controller(_optimizer(0.1), network=network, **settings)


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), 0.0])
def test_an_optimizer_without_a_usable_lr_is_refused(network: arc.Network, lr: float) -> None:
    optimizer = _optimizer(0.1)
    optimizer.param_groups[0]["lr"] = lr
    with pytest.raises(ValueError, match="got lr="):
        arc.Controller(optimizer, network=network)


@pytest.mark.parametrize("loss", ["1.0", None, True, [1.0], torch.tensor(True), 1j])
def test_a_loss_that_is_no_number_is_refused(network: arc.Network, loss: Any) -> None:
    with pytest.raises(TypeError, match="got "):
        arc.Controller(_optimizer(0.1), network=network).record(loss)


def test_step_without_a_loss_is_refused(network: arc.Network) -> None:
    controller = arc.Controller(_optimizer(0.1), network=network)
    with pytest.raises(RuntimeError, match=r"call record\(loss\)"):
        controller.step(val_loss=1.0)
