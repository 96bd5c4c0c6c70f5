"""Runs that are one training: what each does is what it would do alone."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from tasks import registry
from tasks.base import Source
from tasks.loop import TaskRun
from tasks.recipe import Recipe
from tasks.stacked import Stack, in_lockstep, losses
from tasks.stacked.flat import Flat
from tasks.stacked.rules import RULES
from tasks.together.stack import stack
from tasks.together.steps import in_turn
from tasks.together.twin import NotStackable
from tests.conftest import TINY

ALONE = {"svhn_adversarial"}
"""Whose loss asks the network for the gradient of its inputs."""
TOGETHER = [name for name in registry.names() if registry.task_class(name).together]
RECIPES = ((1e-2, Recipe()), (3e-2, Recipe(clip=0.1, warmup=3, weight_decay=0.1)), (0.1, Recipe(clip=1.0)))


def runs_of(
    optimizer: str, *, examples: int = 16, dropout: float = 0.0, device: str = "cpu"
) -> list[TaskRun]:
    """Three runs of the tiny task; with 16 examples a batch is all of them, in whatever order."""
    task = registry.get(TINY, "mini", f'{{"examples": {examples}}}')
    data = task.loaded(Source()).to(device)
    runs = [
        TaskRun(task, data, optimizer=optimizer, lr=lr, seed=i, recipe=recipe, device=device)
        for i, (lr, recipe) in enumerate(RECIPES)
    ]
    for module in (module for run in runs for module in run.model.modules()):
        if isinstance(module, nn.Dropout):
            module.p = dropout
    return runs


@pytest.mark.parametrize("optimizer", RULES)
def test_a_stack_takes_the_steps_of_its_runs(optimizer: str) -> None:
    alone, together = runs_of(optimizer), runs_of(optimizer)
    stacked = Stack(together, optimizer, 0)
    expected = [run.train(6) for run in alone]
    for own, other in zip(stacked.train([0, 1, 2], 6), expected, strict=True):
        assert own == pytest.approx(other, abs=1e-5)
    for i, own in enumerate(stacked.evaluate([0, 1, 2], "val", metric=True)):
        other = alone[i].evaluate()
        assert own.loss == pytest.approx(other.loss, abs=1e-5) and own.metric == other.metric
        assert together[i].evaluate().loss == pytest.approx(own.loss, abs=1e-6), "its model is its own part"
        assert together[i].step_count == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_captured_stack_takes_the_same_steps_on_a_card() -> None:
    alone = runs_of("adam")
    stacked = Stack(runs_of("adam", device="cuda"), "adam", 0)
    expected = [run.train(6) for run in alone]
    for own, other in zip(stacked.train([0, 1, 2], 6), expected, strict=True):
        assert own == pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize("name", TOGETHER)
def test_losses_and_predictions_of_one_pass_are_those_of_the_networks(name: str) -> None:
    task = registry.get(name)
    batch = {k: v[:4] for k, v in task.loaded(Source()).train.items()}  # type: ignore[union-attr]
    batch = task.augment(batch, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    networks = [task.build() for _ in range(2)]
    for module in (module for network in networks for module in network.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    alone = copy.deepcopy(networks)
    shares = [{k: v[i::2] for k, v in batch.items()} for i in range(2)]
    stacked = stack(networks).train()
    if name in ALONE:
        with pytest.raises(NotStackable, match="needs more than outputs"):
            losses.each(task, stacked, in_turn(shares), 2)
        return
    found, predictions = losses.each(task, stacked, in_turn(shares), 2)
    for i, (network, share) in enumerate(zip(alone, shares, strict=True)):
        loss, predicted = task.forward(network.train(), share)
        torch.testing.assert_close(found[i], loss, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(first(predictions)[i], first(predicted), rtol=1e-3, atol=1e-4)


def first(predictions: Any) -> torch.Tensor:
    return predictions[0] if isinstance(predictions, tuple) else predictions


def test_only_those_that_are_asked_move_and_a_diverged_one_harms_nobody() -> None:
    runs, sound = runs_of("adam", examples=64, dropout=0.1), runs_of("adam", examples=64, dropout=0.1)
    stacked, other = Stack(runs, "adam", 7), Stack(sound, "adam", 7)
    with torch.no_grad():
        next(runs[2].model.parameters()).fill_(math.nan)
    before = [stacked.snapshot(i) for i in range(3)]
    found, expected = stacked.train([0, 2], 5), other.train([0, 2], 5)
    assert found[0] == expected[0] and math.isnan(found[1][0])
    kept = stacked.snapshot(1)
    for own, old in zip(kept["vectors"], before[1]["vectors"], strict=True):
        assert torch.equal(own, old)
    stacked.restore(2, before[0] | {"taken": 0})
    assert math.isfinite(stacked.train([2], 1)[0][0])


def test_a_run_goes_back_to_its_snapshot() -> None:
    runs = runs_of("momentum")
    stacked = Stack(runs, "momentum", 0)
    stacked.train([0, 1, 2], 2)
    taken = stacked.snapshot(1)
    expected = stacked.train([1], 3)[0]
    stacked.train([0, 1], 2)
    stacked.restore(1, taken)
    assert stacked.train([1], 3)[0] == pytest.approx(expected, abs=1e-6)


def test_every_pass_sees_every_example_once() -> None:
    runs = runs_of("sgd", examples=48)
    stacked = Stack(runs, "sgd", 0)
    seen = []
    for _ in range(3):
        stacked.train([0, 1], 1)
        start = int(stacked._inputs.held["first"][0])
        seen += stacked._inputs._orders[0, start : start + 16].tolist()
    assert sorted(seen) == list(range(48))
    before = stacked._inputs._orders.clone()
    stacked.fresh_order(1)
    stacked.train([0, 1], 1)
    assert (stacked._inputs._orders[:2] != before[:2]).any(1).all(), "the pass was over, or was to begin anew"


def test_parts_of_a_vector() -> None:
    tensors = [torch.arange(6.0).view(3, 2), torch.arange(3.0).view(3, 1, 1)]
    flat = Flat(tensors, 3, torch.device("cpu"))
    assert flat.of(1).tolist() == [2.0, 3.0, 1.0]
    assert flat.norms(flat.vector)[2].item() == pytest.approx(math.sqrt(16 + 25 + 4))
    flat.put(1, torch.zeros(3))
    assert flat.views()[0].tolist() == [[0, 1], [0, 0], [4, 5]]
    assert flat.joined([None, torch.ones(3, 1, 1)]).tolist() == [0.0] * 6 + [1.0] * 3


@pytest.mark.parametrize(
    ("optimizer", "why"), [("own", "no stacked form of the optimizer own"), ("adam", "in bfloat16")]
)
def test_what_cannot_be_stacked_says_why(optimizer: str, why: str) -> None:
    task = registry.get(TINY)
    half = Recipe(precision="bfloat16")
    run = TaskRun(task, task.loaded(Source()), optimizer="adam", lr=0.1, seed=0, recipe=half)
    with pytest.raises(NotStackable, match=why):
        Stack([run], optimizer, 0)


def test_trainings_in_lockstep_end_when_they_like_and_an_error_ends_all() -> None:
    task = registry.get(TINY)
    data = task.loaded(Source())

    def training(epochs: int, error: bool = False) -> Any:
        def carried_out(make: Any) -> list[float]:
            run = make(task, data, optimizer="adam", lr=1e-2, seed=epochs)
            found = []
            for _ in range(epochs):
                run.train(run.steps_per_epoch)
                found.append(run.evaluate("val", metric=False).loss)
                if error:
                    raise ZeroDivisionError
            return found

        return carried_out

    found = dict(in_lockstep([training(n) for n in (3, 1, 2)], "adam", 0))
    assert {i: len(losses) for i, losses in found.items()} == {0: 3, 1: 1, 2: 2}
    assert found == dict(in_lockstep([training(n) for n in (3, 1, 2)], "adam", 0))
    with pytest.raises(ZeroDivisionError):
        list(in_lockstep([training(2), training(2, error=True)], "adam", 0))
