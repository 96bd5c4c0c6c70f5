"""Muon and AdamW as one optimizer: the steps are torch's, and a checkpoint holds both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tasks import registry
from tasks.base import Source, Splits, TaskError
from tasks.joined import Joined
from tasks.loop import TaskRun
from tasks.muon import Muon, muon_adamw, orthogonal
from tasks.recipe import Recipe


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 3))


def joined(model: nn.Module, lr: float = 0.01) -> Joined:
    return muon_adamw(model, lr)


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int, first: int = 0) -> list[Tensor]:
    """Train on data that the number of the step decides."""
    for i in range(first, first + count):
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(i))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), x[:, :3].argmax(1)).backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("shape", [(8, 8), (6, 10), (10, 6)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_a_step_is_torchs_up_to_its_bfloat16(shape: tuple[int, int], nesterov: bool) -> None:
    torch.manual_seed(1)
    start = torch.randn(shape)
    mine, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch before 2.9")
    same = torch.optim.Muon([theirs], lr=0.1, adjust_lr_fn="match_rms_adamw", nesterov=nesterov)
    optimizers = [Muon([mine], 0.1, nesterov=nesterov), same]
    for _ in range(3):
        gradient = torch.randn(shape)
        for parameter, optimizer in zip((mine, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    assert (mine - theirs).abs().max() < 0.05 * (mine - start).abs().max()


def test_the_iteration_brings_singular_values_near_one() -> None:
    torch.manual_seed(2)
    found = orthogonal(torch.randn(12, 20))
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5 and values.max() < 1.5


def test_each_part_takes_its_parameters_and_both_take_the_lr() -> None:
    model = network()
    optimizer = joined(model)
    muon, adam = optimizer.parts
    assert [tuple(p.shape) for p in muon.param_groups[0]["params"]] == [(8, 6), (8, 8)]
    assert len(adam.param_groups[0]["params"]) == 6
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    assert muon.param_groups[0]["lr"] == adam.param_groups[0]["lr"] == 0.5
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.1)
    assert muon.param_groups[0]["lr"] == pytest.approx(0.05)


def test_a_checkpoint_holds_both_and_goes_on_identically() -> None:
    model = network()
    optimizer = joined(model)
    steps(model, optimizer, 3)
    weights, saved = {k: v.clone() for k, v in model.state_dict().items()}, optimizer.state_dict()
    assert len(saved["state"]) == 8
    optimizer_state = torch.utils._pytree.tree_map(lambda v: v.clone() if torch.is_tensor(v) else v, saved)
    expected = steps(model, optimizer, 3, first=3)

    other = network()
    other.load_state_dict(weights)
    resumed = joined(other, lr=1.0)
    resumed.load_state_dict(optimizer_state)
    assert resumed.parts[0].param_groups[0]["lr"] == 0.01
    found = steps(other, resumed, 3, first=3)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_closure_is_evaluated_once() -> None:
    model = network()
    calls = []

    def closure() -> Tensor:
        calls.append(torch.is_grad_enabled())
        loss = model(torch.ones(2, 6)).sum()
        loss.backward()
        return loss

    assert torch.is_tensor(joined(model).step(closure))
    assert calls == [True]


def test_a_run_takes_the_tasks_own_optimizer_with_the_recipes_decay() -> None:
    task = registry.get("word_transformer")
    data = task.load(Source())
    few = Splits(*({k: v[:32] for k, v in split.items()} for split in data))
    recipe = Recipe(weight_decay=0.3, clip=1.0)
    run = TaskRun(task, few, optimizer="own", lr=1e-2, seed=0, recipe=recipe)
    assert isinstance(run.optimizer, Joined)
    assert {g["weight_decay"] for part in run.optimizer.parts for g in part.param_groups} == {0.3}
    run.set_lr(3e-3)
    assert {g["lr"] for part in run.optimizer.parts for g in part.param_groups} == {3e-3}
    run.train(2)
    taken = run.snapshot()
    expected = run.train(3)
    run.restore(taken)
    assert run.train(3) == expected


def test_a_task_without_one_says_so() -> None:
    task = registry.get("friedman_mlp")
    with pytest.raises(TaskError, match="FriedmanMLP has no optimizer of its own; name another one than own"):
        TaskRun(task, task.load(Source()), optimizer="own", lr=1e-2, seed=0)
