"""Loops that do not do with the optimizer what the controller takes for granted: each is told, once."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import arc
from arc.decision import RecoveryWarning


def net() -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(4, 1)


def train(model: nn.Module, optimizer: Any, steps: int, say: Any = None) -> Tensor:
    """Steps towards 1; ``say`` gets every loss."""
    for _ in range(steps):
        loss = (model(torch.ones(2, 4)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if say is not None:
            say(loss)
    return loss.detach()


def made(model: nn.Module) -> tuple[torch.optim.Optimizer, arc.Controller]:
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    return sgd, arc.Controller(sgd, verbose=False)


@contextmanager
def told_once(words: str) -> Iterator[None]:
    """One warning comes, with these words."""
    with pytest.warns(RecoveryWarning, match=words) as told:
        yield
    assert len(told) == 1


def test_a_step_after_every_batch_is_told_once() -> None:
    model = net()
    sgd, controller = made(model)
    with pytest.warns(RecoveryWarning, match="once per epoch or evaluation, not after every batch") as told:
        for _ in range(25):
            controller.step(train(model, sgd, 1, controller.record))
    assert len(told) == 1 and "call 10:" in str(told[0].message) and "steps=..." in str(told[0].message)


def test_a_scheduler_stepped_after_every_batch_is_told_once() -> None:
    model = net()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    scheduler = arc.Scheduler(sgd, verbose=False)
    with told_once("once per epoch or evaluation, not after every batch"):
        for _ in range(25):
            scheduler.step(train(model, sgd, 1))


def test_one_mean_an_epoch_with_its_steps_is_no_step_after_every_batch() -> None:
    model = net()
    sgd, controller = made(model)
    for _ in range(12):
        controller.record(train(model, sgd, 20))
        controller.step(steps=20)


def test_an_optimizer_that_was_replaced_is_told() -> None:
    model = net()
    _, controller = made(model)
    other = torch.optim.SGD(model.parameters(), lr=1e-3)
    with told_once("call 1: ARC's optimizer was not stepped in this call"):
        for _ in range(3):
            train(model, other, 12, controller.record)
            controller.step()


def test_a_copied_controller_has_an_optimizer_of_its_own() -> None:
    """The copy's optimizer has lost the hook that notes its steps: nothing is told of it."""
    model = net()
    sgd, controller = made(model)
    model, sgd, controller = copy.deepcopy((model, sgd, controller))
    train(model, sgd, 12, controller.record)
    controller.step()


@pytest.mark.parametrize("change", ["assigned", "another", "no step"])
def test_an_optimizer_of_weights_that_do_not_train_is_told(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net()
    sgd, controller = made(model)
    if change == "assigned":
        model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)
    elif change == "another":
        model = net()
    else:
        monkeypatch.setattr(sgd, "step", lambda: None)
    with told_once("call 2: the weights of ARC's optimizer have not moved"):
        for _ in range(4):
            train(model, sgd, 12, controller.record)
            controller.step()


def test_an_optimizer_state_that_was_loaded_alone_is_told() -> None:
    model = net()
    sgd, controller = made(model)
    saved = copy.deepcopy(sgd.state_dict())
    saved["param_groups"][0]["lr"] = 1e-2
    sgd.load_state_dict(saved)
    train(model, sgd, 12, controller.record)
    with pytest.warns(RecoveryWarning, match="an optimizer's state that was loaded needs the controller's"):
        controller.step()


@pytest.mark.parametrize(
    "value, message",
    [
        ({"eval_loss": 1.0, "acc": 0.5}, "need a real number, one of its values: 'eval_loss', 'acc'"),
        (type("Output", (), {"loss": 1.0})(), r"need a real number: write \.loss"),
    ],
)
def test_what_holds_a_loss_is_refused_with_the_place_of_it(value: Any, message: str) -> None:
    controller = made(net())[1]
    with pytest.raises(TypeError, match=message):
        controller.record(value)
    controller.record(1.0)
    with pytest.raises(TypeError, match=message):
        controller.step(value)


def test_a_call_without_training_losses_names_the_scheduler() -> None:
    controller = made(net())[1]
    with pytest.raises(RuntimeError, match=r"since the last call: call record\(loss\).*take arc\.Scheduler"):
        controller.step(1.0)
