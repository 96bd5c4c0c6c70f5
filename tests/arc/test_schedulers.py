"""Torch schedulers on the same optimizer: scaled along, or refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torch_lr
from torch.optim.swa_utils import SWALR

import arc
from tests.arc.conftest import Answering
from tests.arc.helpers import falling, lr_of, optimizer

Make = Callable[[torch.optim.Optimizer], Any]


def _sequential(sgd: torch.optim.Optimizer) -> Any:
    parts: list[Any] = [torch_lr.LinearLR(sgd, 0.5, total_iters=3), torch_lr.LambdaLR(sgd, lambda e: 0.9**e)]
    return torch_lr.SequentialLR(sgd, parts, milestones=[3])


SCHEDULERS: dict[str, Make] = {
    "cosine": lambda sgd: torch_lr.CosineAnnealingLR(sgd, T_max=12),
    "cosine with a floor": lambda sgd: torch_lr.CosineAnnealingLR(sgd, T_max=12, eta_min=0.02),
    "lambda": lambda sgd: torch_lr.LambdaLR(sgd, lambda e: 0.9**e),
    "constant": lambda sgd: torch_lr.LambdaLR(sgd, lambda e: 1.0),
    "onecycle": lambda sgd: torch_lr.OneCycleLR(sgd, max_lr=0.5, total_steps=13),
    "sequential": _sequential,
    "exponential": lambda sgd: torch_lr.ExponentialLR(sgd, 0.9),
    "restarts": lambda sgd: torch_lr.CosineAnnealingWarmRestarts(sgd, 4, eta_min=0.01),
    "multiplicative": lambda sgd: torch_lr.MultiplicativeLR(sgd, lambda e: 0.9),
    "step": lambda sgd: torch_lr.StepLR(sgd, 5),
    "multistep": lambda sgd: torch_lr.MultiStepLR(sgd, [2, 9]),
    "warmup": lambda sgd: torch_lr.ConstantLR(sgd, 0.5, total_iters=6),
    "linear": lambda sgd: torch_lr.LinearLR(sgd, 0.5, total_iters=9),
    "polynomial": lambda sgd: torch_lr.PolynomialLR(sgd, total_iters=13, power=2.0),
    "chained": lambda sgd: torch_lr.ChainedScheduler(
        [torch_lr.ConstantLR(sgd, 0.5, total_iters=6), torch_lr.ExponentialLR(sgd, 0.9)]
    ),
    "averaging": lambda sgd: SWALR(sgd, swa_lr=0.01, anneal_epochs=9),
    "cyclic": lambda sgd: torch_lr.CyclicLR(sgd, 0.01, 0.1, step_size_up=3, cycle_momentum=False),
}


def _lrs(make: Make, network: arc.Network | None, *, tensor: bool = False) -> list[float]:
    """The LR of each epoch, with a controller beside the scheduler or without."""
    lr: Any = torch.tensor(0.1) if tensor else 0.1
    sgd = optimizer(lr, momentum=0.9)
    scheduler = make(sgd)
    controller = None
    if network is not None:
        controller = arc.Controller(sgd, network=network, scheduler=scheduler, policy="paper", period=4)
    seen = []
    for e in range(12):
        seen.append(lr_of(sgd))
        sgd.step()
        if controller is not None:
            for loss in falling(e):
                controller.record(loss)
            controller.step()
        scheduler.step()
    return seen


def test_every_scheduler_of_torch_is_among_them() -> None:
    known = {getattr(torch_lr, name) for name in torch_lr.__all__}
    tested = {type(make(optimizer(0.1, momentum=0.9))) for make in SCHEDULERS.values()}
    assert known - tested <= {torch_lr.LRScheduler, torch_lr.ReduceLROnPlateau}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("tensor", [False, True])
def test_the_controllers_factor_multiplies_the_schedule(
    answering: Answering, name: str, tensor: bool
) -> None:
    if tensor and name in ("onecycle", "cyclic"):
        tensor = False  # their momentum and bounds come from plain numbers
    alone = _lrs(SCHEDULERS[name], None, tensor=tensor)
    driven = _lrs(SCHEDULERS[name], answering(arc.Action.RAISE), tensor=tensor)
    factors = [1.0] * 4 + [1.618] * 4 + [1.618**2] * 4
    assert driven == pytest.approx([lr * f for lr, f in zip(alone, factors, strict=True)], rel=1e-5)


def test_plateau_multiplies_and_needs_nothing(answering: Answering) -> None:
    sgd = optimizer(0.1)
    scheduler = torch_lr.ReduceLROnPlateau(sgd, patience=0, factor=0.5)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), policy="paper", period=1)
    for e in range(3):
        controller.record(1.0 / (e + 1))
        controller.step(val_loss=1.0)
        scheduler.step(1.0)
    assert lr_of(sgd) == pytest.approx(0.1 * 1.618**3 * 0.5**2)


def test_an_unknown_scheduler_is_refused(network: arc.Network) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=network)
    scheduler = torch_lr.LambdaLR(sgd, lambda e: 1.0)
    with pytest.raises(RuntimeError, match="pass it as scheduler="):
        arc.Controller(sgd, network=network)
    controller.record(1.0)
    with pytest.raises(RuntimeError, match="pass it as scheduler="):
        controller.step()
    arc.Controller(sgd, network=network, mode="advise")
    arc.Controller(sgd, network=network, scheduler=[scheduler])


def test_a_schedule_may_start_and_end_at_zero(answering: Answering) -> None:
    sgd = optimizer(0.1)
    scheduler = torch_lr.LambdaLR(sgd, lambda e: [0.0, 0.5, 1.0, 0.0, 0.0][e])
    controller = arc.Controller(
        sgd, network=answering(arc.Action.RAISE), scheduler=scheduler, policy="paper", period=1
    )
    seen = []
    for e in range(4):
        for loss in falling(e):
            controller.record(loss)
        sgd.step()
        seen.append(controller.step() is not None)
        scheduler.step()
    assert seen == [False, True, True, False]
    assert lr_of(sgd) == 0.0 and scheduler.base_lrs == pytest.approx([0.1 * 1.618**2])
