"""What ``arc.optimizers`` relies on in torch's schedulers and optimizers: fails when torch changes it."""

import torch
from torch.optim import lr_scheduler as torch_lr

from arc import torch_private
from arc.optimizers import schedulers
from arc.recovery.run_state import HYPERPARAMETERS
from tests.arc.helpers import optimizer


def test_a_scheduler_marks_the_optimizers_step() -> None:
    sgd = optimizer(0.1)
    assert not schedulers.drives(sgd)
    torch_lr.LambdaLR(sgd, lambda e: 1.0)
    assert schedulers.drives(sgd)
    assert any(hasattr(sgd.step, mark) for mark in torch_private.MARKS)


def test_schedulers_hold_their_lrs_under_these_names() -> None:
    sgd = optimizer(0.1, momentum=0.9)
    constant = torch_lr.ConstantLR(sgd, 0.5)
    cyclic = torch_lr.CyclicLR(sgd, 0.01, 0.1)
    assert (
        hasattr(constant, "base_lrs")
        and hasattr(constant, torch_private.LAST_LR)
        and hasattr(cyclic, "max_lrs")
    )
    assert hasattr(torch_lr.CosineAnnealingLR(sgd, 5), schedulers.FLOOR)
    for joined in (
        torch_lr.ChainedScheduler([constant]),
        torch_lr.SequentialLR(sgd, [constant, torch_lr.ConstantLR(sgd)], [2]),
    ):
        assert constant in getattr(joined, torch_private.PARTS)


def test_onecycle_and_swa_keep_lrs_in_the_groups() -> None:
    sgd = optimizer(0.1, momentum=0.9)
    torch_lr.OneCycleLR(sgd, max_lr=0.5, total_steps=9)
    torch.optim.swa_utils.SWALR(sgd, swa_lr=0.01)
    assert set(schedulers.LR_KEYS) <= set(sgd.param_groups[0])


def test_plateau_leaves_no_mark_but_knows_its_optimizer() -> None:
    sgd = optimizer(0.1)
    assert not schedulers.has_plateau([sgd])
    plateau = torch_lr.ReduceLROnPlateau(sgd)
    assert not schedulers.drives(sgd) and schedulers.has_plateau([sgd]) and plateau.optimizer is sgd


def test_what_torchs_optimizers_keep_in_groups_is_the_users() -> None:
    for cls in (c for c in vars(torch.optim).values() if isinstance(c, type)):
        if issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer:
            made = cls([torch.nn.Parameter(torch.ones(2, 2))], lr=0.1)
            assert set(made.param_groups[0]) - {"decoupled_weight_decay", "d"} <= HYPERPARAMETERS, cls
