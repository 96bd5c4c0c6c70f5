"""One handle for several optimizers: what moves, how often, within what, and who else wrote."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as torch_lr

from arc.methods.run import set_lr
from arc.optimizers.handle import ForeignWrite, Optimizers
from tests.arc.helpers import lr_of, optimizer


def test_several_optimizers_move_by_one_factor_within_the_bounds_of_all() -> None:
    muon, adam = optimizer(0.5), optimizer(0.25, 0.0, cls=torch.optim.AdamW)
    handle = Optimizers([muon, adam], max_lr=0.75)
    assert handle.reference == 0.5 and len(handle.groups) == 3
    assert handle.move(2.0) == ((0.5, 0.25, 0.0), (0.75, 0.375, 0.0))
    assert (lr_of(muon), lr_of(adam)) == (0.75, 0.375)


def test_a_tensor_lr_shared_by_groups_and_optimizers_moves_once_and_in_place() -> None:
    shared = torch.tensor(0.125)
    first, second = optimizer(shared, shared, cls=torch.optim.AdamW), optimizer(shared)
    groups = [*first.param_groups, *second.param_groups]
    for group in groups:
        group["lr"] = shared
    before, after = Optimizers([first, second]).move(2.0)
    assert before == (0.125,) * 3 and after == (0.25,) * 3
    set_lr(first, 0.5)
    assert shared.item() == 0.5 and all(group["lr"] is shared for group in groups)


def test_a_group_that_two_optimizers_share_moves_once() -> None:
    sgd = optimizer(0.5)

    class Hybrid:
        param_groups = sgd.param_groups

    assert Optimizers([sgd, Hybrid()]).move(0.5)[1] == (0.25, 0.25)


def test_a_write_that_undoes_decisions_is_told_once_per_write() -> None:
    """nanoGPT's way: the loop sets the LR from its own schedule in every step."""
    sgd = optimizer(0.5, 0.25)
    handle = Optimizers(sgd)
    handle.move(0.5)
    assert handle.foreign() == ()
    sgd.param_groups[1]["lr"] = 0.25
    assert handle.foreign() == (ForeignWrite(1, 0.125, 0.25),)
    assert handle.foreign() == ()
    sgd.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 1.0})
    assert handle.foreign() == ()
    assert handle.move(0.5)[1] == (0.125, 0.125, 0.5) and handle.foreign() == ()


def test_what_the_handle_wrote_in_float32_is_not_foreign() -> None:
    adam = optimizer(torch.tensor(0.1), cls=torch.optim.AdamW)
    handle = Optimizers(adam)
    for _ in range(5):
        handle.move(1.618)
        assert handle.foreign() == ()


@pytest.mark.parametrize("how", ["passed", "plateau", "advise"])
def test_expected_writes_are_not_foreign(how: str) -> None:
    sgd = optimizer(0.5)
    scheduler: Any
    if how == "passed":
        scheduler = torch_lr.LambdaLR(sgd, lambda e: 0.5**e)
        handle = Optimizers(sgd, scheduler)
        sgd.step()
        scheduler.step()
    elif how == "plateau":
        handle, scheduler = Optimizers(sgd), torch_lr.ReduceLROnPlateau(sgd, patience=0, factor=0.5)
        scheduler.step(1.0)
        scheduler.step(1.0)
    else:
        handle = Optimizers(sgd, control=False)
        sgd.param_groups[0]["lr"] = 0.25
    assert lr_of(sgd) == 0.25 and handle.foreign() == ()


def test_a_scheduler_on_one_of_several_optimizers_must_be_passed() -> None:
    first, second = optimizer(0.5), optimizer(0.25)
    schedulers = [torch_lr.ConstantLR(one, 0.5, total_iters=9) for one in (first, second)]
    for passed in (None, schedulers[0]):
        with pytest.raises(RuntimeError, match="pass it as scheduler="):
            Optimizers([first, second], passed)
    handle = Optimizers([first, second], schedulers)
    handle.move(2.0)
    assert [s.base_lrs for s in schedulers] == [[1.0], [0.5]]


def test_a_scheduler_passed_beside_the_one_that_holds_it_is_scaled_once() -> None:
    sgd = optimizer(0.5)
    inner = torch_lr.ConstantLR(sgd, 0.5, total_iters=9)
    handle = Optimizers(sgd, [inner, torch_lr.ChainedScheduler([inner])])
    handle.move(2.0)
    assert inner.base_lrs == [1.0]


@pytest.mark.parametrize("bad", [None, [], [nn.Linear(1, 1)], object()])
def test_what_is_no_optimizer_is_named(bad: Any) -> None:
    with pytest.raises(TypeError, match="need a torch optimizer"):
        Optimizers(bad)


def test_one_optimizer_twice_is_refused() -> None:
    sgd = optimizer(0.1)
    with pytest.raises(TypeError, match="same optimizer twice"):
        Optimizers([sgd, sgd])


@pytest.mark.parametrize(
    ("settings", "word"), [({"min_lr": 1.0}, "min_lr=1.0"), ({"max_lr": 0.1}, "max_lr=0.1")]
)
def test_an_lr_outside_the_bounds_is_named(settings: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=f"got lr=0.5 and {word}"):
        Optimizers(optimizer(0.5), **settings)
