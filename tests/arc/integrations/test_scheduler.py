"""``arc.Scheduler`` in loops of one's own: a ReduceLROnPlateau by type, a controller by what it does."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

import arc
from arc.optimizers.handle import Optimizers
from arc.view import journal
from arc.view.reproduce import reproduce
from tests.arc.conftest import Answering


def _run(lr: float = 0.01) -> tuple[nn.Linear, torch.optim.Optimizer]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Linear(4, 1)
    return net, torch.optim.SGD(net.parameters(), lr=lr)


def _train(net: nn.Linear, optimizer: torch.optim.Optimizer, *, closure: bool = False) -> torch.Tensor:
    """One step; the loss."""
    rows = torch.ones(2, 4)

    def compute() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = (net(rows) - 1).square().mean()
        loss.backward()
        return loss

    if closure:
        found = optimizer.step(compute)
        assert isinstance(found, torch.Tensor)
        return found
    loss = compute()
    optimizer.step()
    return loss


def _log(scheduler: arc.Scheduler) -> list[Any]:
    return scheduler.controller._log


def test_it_is_a_plateau_scheduler_by_type(network: arc.Network) -> None:
    scheduler = arc.Scheduler(_run()[1], network=network)
    assert isinstance(scheduler, ReduceLROnPlateau) and isinstance(scheduler, LRScheduler)


def test_the_controller_decides_at_its_steps(answering: Answering) -> None:
    net, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=answering(arc.Action.RAISE), policy="paper", period=2)
    for call in range(4):
        scheduler.record(_train(net, optimizer))
        scheduler.step(1.0 - 0.1 * call)
    assert scheduler.get_last_lr() == [pytest.approx(0.01 * 1.618**2)]
    assert scheduler.last_epoch == 4 and len(scheduler.controller.decisions) == 2


def test_without_training_losses_the_metric_stands_for_them(network: arc.Network) -> None:
    net, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=network)
    _train(net, optimizer)
    scheduler.step(torch.tensor(0.5))
    _train(net, optimizer)
    scheduler.step(0.25, train_loss=0.125)
    assert [(e.train_loss, e.val_loss) for e in _log(scheduler)] == [(0.5, 0.5), (0.125, 0.25)]


def test_the_loss_of_a_closure_is_recorded(network: arc.Network) -> None:
    net, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=network)
    losses = [float(_train(net, optimizer, closure=True).detach()) for _ in range(2)]
    scheduler.step(0.5)
    assert [e.train_loss for e in _log(scheduler)] == [pytest.approx(sum(losses) / 2)]


def test_a_trial_point_of_the_same_step_is_no_loss(network: arc.Network) -> None:
    net, _ = _run()
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=5)
    scheduler = arc.Scheduler(optimizer, network=network)
    _train(net, optimizer, closure=True)
    assert len(scheduler.controller._run.history.losses) == 1


def test_the_same_call_again_is_left_out(network: arc.Network) -> None:
    """Accelerate steps a scheduler once per process."""
    net, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=network)
    for _ in range(2):
        _train(net, optimizer)
        for _ in range(4):
            scheduler.step(0.5)
    assert scheduler.last_epoch == 2


@pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")
def test_one_metric_that_is_not_finite_takes_nothing_back(network: arc.Network) -> None:
    """Where it stands for the training loss as well; two in a row are a run that is broken."""
    net, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=network, period=9)
    for call, metric in enumerate([1.0, math.nan, 0.9, math.inf, 0.8, 0.7, math.nan]):
        _train(net, optimizer)
        scheduler.step(metric)
        assert scheduler.last_epoch == call + 1
    assert not scheduler.controller.decisions
    _train(net, optimizer)
    scheduler.step(math.nan)
    assert [d.source for d in scheduler.controller.decisions] == ["restart"]


def test_steps_of_nothing_are_refused(network: arc.Network) -> None:
    scheduler = arc.Scheduler(_run()[1], network=network)
    with pytest.raises(RuntimeError, match=r"write scheduler.step\(val_loss\) once per evaluation"):
        scheduler.step()


def test_timms_order_of_arguments_is_refused(network: arc.Network) -> None:
    """``step(epoch, metric)``: the epoch would be taken for a loss that rises."""
    scheduler = arc.Scheduler(_run()[1], network=network)
    with pytest.raises(TypeError, match=r"got step\(1, 0.7\), need step\(val_loss\)"):
        scheduler.step(1, 0.7)  # type: ignore[arg-type]


def test_bad_settings_are_refused_at_once(network: arc.Network) -> None:
    with pytest.raises(ValueError, match="got period=0"):
        arc.Scheduler(_run()[1], network=network, period=0)


def test_a_resumed_run_decides_alike(network: arc.Network, tmp_path: Path) -> None:
    def train(scheduler: arc.Scheduler, net: nn.Linear, first: int, last: int) -> None:
        for call in range(first, last):
            _train(net, scheduler.optimizer, closure=True)
            scheduler.step(1 / (1 + call))

    net, optimizer = _run()
    whole = arc.Scheduler(optimizer, network=network, period=2)
    train(whole, net, 0, 3)
    saved = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": whole.state_dict()}
    torch.save(saved, tmp_path / "state.pt")
    train(whole, net, 3, 7)

    net, optimizer = _run()
    rest = arc.Scheduler(optimizer, network=network, period=2)
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    for part, state in (net, loaded["net"]), (optimizer, loaded["optimizer"]), (rest, loaded["scheduler"]):
        part.load_state_dict(state)
    train(rest, net, 3, 7)
    assert rest.get_last_lr() == whole.get_last_lr() and rest.last_epoch == 7
    assert rest.controller.decisions == whole.controller.decisions


def test_the_state_of_another_scheduler_is_refused(network: arc.Network) -> None:
    plateau = ReduceLROnPlateau(_run()[1])
    with pytest.raises(ValueError, match=r"got a state with factor, .* need one of arc\.Scheduler"):
        arc.Scheduler(_run()[1], network=network).load_state_dict(plateau.state_dict())


def test_what_others_write_is_still_noticed(network: arc.Network) -> None:
    """A ReduceLROnPlateau by type only: it multiplies nothing on its own."""
    _, optimizer = _run()
    scheduler = arc.Scheduler(optimizer, network=network)
    handle = Optimizers(scheduler.optimizer)
    optimizer.param_groups[0]["lr"] = 0.5
    assert handle.foreign()


def test_steps_are_counted_where_no_losses_are_recorded(tmp_path: Path) -> None:
    """One loss a call said "one step a call": too few for the network to be asked how far the LR is off."""
    net, optimizer = _run(lr=1e-5)
    scheduler = arc.Scheduler(optimizer, log_dir=tmp_path, verbose=False)
    for _ in range(2):
        loss = [_train(net, optimizer) for _ in range(12)][-1]
        scheduler.step(loss)
    assert scheduler.controller._run.course.calls[-1].steps == 12
    assert scheduler.get_last_lr()[0] > 1e-4  # far off: one move goes most of the way
    again, said = reproduce(journal.read(tmp_path))  # the log knows it, too
    assert [d.lr_after for d in again.decisions] == [d.lr_after for d in scheduler.controller.decisions], said
