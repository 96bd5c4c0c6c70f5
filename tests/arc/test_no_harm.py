"""A controller does no harm: to LRs, logs, files, random states."""

import contextlib
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.methods import run
from arc.view import journal
from arc.view.page import page
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer
from tests.arc.rolling import one_step, restores, rolling, went_to_the_start


def test_a_lucky_first_loss_is_no_yardstick(answering: Answering) -> None:
    model = nn.Linear(4, 1)
    controller = rolling(answering(arc.Action.KEEP), model)
    noise = torch.randn(8, 20, generator=torch.Generator().manual_seed(0)).square()
    for call, losses in enumerate(noise.tolist()):  # batch size 1: squared Gaussian residuals
        with torch.no_grad():
            model.weight.mul_(1.1)
        epoch(controller, [0.001, *losses[1:]] if call == 0 else losses, val_loss=1.0 / (1 + call))
    assert not went_to_the_start(controller)


def test_a_layer_that_starts_at_zero_may_move(answering: Answering) -> None:
    model = nn.Linear(4, 1, bias=False)
    nn.init.zeros_(model.weight)
    controller = rolling(answering(arc.Action.KEEP), model)
    for call in range(4):
        one_step(controller, model)
        epoch(controller, falling(call))
    assert not went_to_the_start(controller)


def test_a_group_whose_lr_is_set_to_zero_is_not_dead(answering: Answering) -> None:
    layers = [nn.Linear(4, 4) for _ in range(3)]
    model = nn.Sequential(*layers)
    groups = [{"params": [*model[:2].parameters()]}, {"params": [*model[2].parameters()]}]
    sgd = torch.optim.SGD(groups, lr=0.01)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), model=model, rollback=True)
    for call in range(20):
        if call == 15:
            sgd.param_groups[0]["lr"] = 0.0
        one_step(controller, model)
        epoch(controller, falling(call), val_loss=1.0 / (1 + call))
    assert not went_to_the_start(controller)


@pytest.mark.parametrize("rollback", [False, True])
def test_one_bad_record_with_finite_weights_lowers_nothing(answering: Answering, rollback: bool) -> None:
    model = nn.Linear(4, 1)
    controller = rolling(answering(arc.Action.KEEP), model, rollback=rollback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so once
        for call in range(12):
            epoch(controller, [math.nan, *falling(call)])
    assert lr_of(controller.optimizer) == pytest.approx(0.1)
    assert not any("not finite" in d.reason and d.multiplier < 1 for d in controller.decisions)


def test_a_validation_loss_that_overflows_leaves_the_lr_above_a_hundredth(answering: Answering) -> None:
    model = nn.Linear(4, 1)
    controller = rolling(answering(arc.Action.KEEP), model, rollback=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in range(24):
            epoch(controller, falling(call), val_loss=math.inf if call % 2 else 1.0 / (1 + call))
    assert lr_of(controller.optimizer) >= 0.1 / 100


@pytest.mark.parametrize("rollback", [False, True])
def test_larger_targets_leave_the_lr_above_a_hundredth(answering: Answering, rollback: bool) -> None:
    model = nn.Linear(4, 1)
    controller = rolling(answering(arc.Action.KEEP), model, rollback=rollback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in range(40):
            one_step(controller, model)
            level = 1.0 / (1 + call) if call < 16 else 9.0 / (call - 14)
            epoch(controller, [level * (1 + 0.02 * i) for i in range(10)], val_loss=level)
    assert lr_of(controller.optimizer) >= 0.1 / 100


def test_noise_around_a_level_takes_few_raises_back(answering: Answering) -> None:
    model = nn.Linear(4, 1)
    controller = rolling(answering(arc.Action.RAISE), model, lr=1e-4, max_lr=1e-2)
    noise = torch.randn(90, 10, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for losses in (1 + 0.1 * noise).tolist():
            one_step(controller, model)
            epoch(controller, losses)
    assert (
        len(restores(controller)) <= 2
    )  # the same raise, no better for being taken back, is not taken back for ever


def shared_lr() -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(2))]} for _ in range(2)]
    return torch.optim.AdamW(groups, lr=torch.tensor(1e-3), foreach=False)


def test_a_tensor_lr_shared_by_groups_moves_once(answering: Answering) -> None:
    adam = shared_lr()
    controller = arc.Controller(adam, network=answering(arc.Action.RAISE), policy="paper", period=1)
    epoch(controller, [1.0, 0.9])
    assert lr_of(adam) == pytest.approx(1.618e-3)


def test_set_lr_sets_a_shared_tensor_lr_once() -> None:
    adam = shared_lr()
    run.set_lr(adam, 2e-3)
    assert [float(g["lr"]) for g in adam.param_groups] == pytest.approx([2e-3, 2e-3])


def test_a_default_dtype_of_float64_does_not_reach_the_network() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        controller = arc.Controller(optimizer(0.1), period=1)
        assert epoch(controller, falling(0)) is not None
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", ["control", "advise"])
def test_building_a_controller_draws_no_random_numbers(mode: Any) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    arc.Controller(optimizer(0.1), mode=mode)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_log_that_cannot_be_written_warns_once(network: arc.Network, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    controller = arc.Controller(optimizer(0.1), network=network, log_dir=folder)
    epoch(controller, falling(0))
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.warns(UserWarning) as caught:
        for call in range(1, 9):
            epoch(controller, falling(call))
    assert len(caught) == 1


def test_a_truncated_line_is_skipped(network: arc.Network, tmp_path: Path) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, log_dir=tmp_path)
    for call in range(6):
        epoch(controller, falling(call))
    file = tmp_path / journal.FILE
    lines = file.read_text().splitlines()
    lines[3] = lines[3][:20]
    file.write_text("\n".join([*lines, ""]))
    assert [c.epoch for c in journal.read(tmp_path).calls] == [1, 2, 4, 5, 6]


def test_starting_again_erases_no_log(network: arc.Network, tmp_path: Path) -> None:
    first = arc.Controller(optimizer(0.1), network=network, log_dir=tmp_path)
    for call in range(6):
        epoch(first, falling(call))
    epoch(arc.Controller(optimizer(0.1), network=network, log_dir=tmp_path), falling(0))
    kept = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert '"epoch": 6' in kept


def test_a_loop_that_sets_the_lr_itself_is_told(answering: Answering) -> None:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=1)
    with pytest.warns(UserWarning, match="lr"):
        for call in range(9):
            sgd.param_groups[0]["lr"] = 0.1
            epoch(controller, falling(call))


def test_a_policy_without_rules_may_have_rollback(network: arc.Network) -> None:
    policy = arc.Policy(undo=False, anneal=0)
    rolling(network, nn.Linear(2, 1), policy=policy)


def test_a_step_that_raises_has_not_counted(network: arc.Network) -> None:
    controller = arc.Controller(optimizer(0.1), network=network)
    with pytest.raises(RuntimeError, match="without a loss"):
        controller.step()
    for call in range(3):
        epoch(controller, falling(call))
    assert [d.epoch for d in controller.decisions] == [3]


def test_the_page_escapes_the_settings(network: arc.Network, tmp_path: Path) -> None:
    epoch(arc.Controller(optimizer(0.1), network=network, log_dir=tmp_path), falling(0))
    file = tmp_path / journal.FILE
    file.write_text(file.read_text().replace('"settings": {', '"settings": {"total_calls": "<script>", '))
    assert "<script>" not in page("run", journal.read(tmp_path))


def test_saving_weights_leaves_other_files_alone(network: arc.Network, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with contextlib.suppress(ValueError, FileExistsError):  # a refusal is as good
        arc.weights.save(network, tmp_path, {}, "# card\n")
    assert (tmp_path / "notes.txt").exists()
