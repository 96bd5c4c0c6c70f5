from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from arc.methods.line_search import LineSearch, backtrack
from arc.methods.run import Closure, get_lr
from arc.methods.torch_run import TorchRun
from tests.arc.methods.problems import classifier, lrs_of, parameters_of, resumed


def test_the_armijo_condition_holds_at_every_step() -> None:
    """Measured from outside: same batch, same dropout masks, before and after each step."""
    run, method = classifier(), LineSearch()
    checked = []

    class Watched(TorchRun):
        def train(self, steps: int, step: Any = None) -> list[float]:
            def watched(closure: Closure) -> float:
                loss = step(closure)
                after = closure.loss()
                grads = [p.grad for p in self.model.parameters()]
                slope = float(sum(g.double().square().sum() for g in grads))
                eta = get_lr(self.optimizer)
                checked.append(eta)
                assert after <= loss - 0.1 * eta * slope + 1e-6
                return loss

            return super().train(steps, watched)

    watched = Watched(run.model, run.optimizer, run.loss_fn, run.train_batches, run.val_fn)
    list(method.drive(watched, 24))
    assert len(checked) == 24
    assert len(set(checked)) > 5


def test_without_noise_every_step_lowers_the_loss() -> None:
    inputs = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    targets = (inputs @ torch.tensor([1.0, -2.0, 3.0, 0.5]))[:, None]
    model = nn.Linear(4, 1)
    run = TorchRun(
        model,
        torch.optim.SGD(model.parameters(), lr=1e-6),
        lambda model, batch: (model(inputs) - targets).square().mean(),
        [None] * 4,
    )
    losses = [loss for yielded in LineSearch().drive(run, 40) for loss in yielded]
    assert all(b < a for a, b in itertools.pairwise(losses))
    assert losses[-1] < losses[0] / 1e3


def test_backtracking_takes_the_first_step_size_that_satisfies_it() -> None:
    tried: list[float] = []

    def trial(eta: float) -> float:
        tried.append(eta)
        return (1 - eta) ** 2 if eta < 3 else math.nan

    eta, found = backtrack(trial, 1.0, 4.0, 4.0, c=0.1, beta=0.9, most=100)
    assert found
    assert tried[-1] == eta
    assert (1 - eta) ** 2 <= 1 - 0.1 * eta * 4 < (1 - eta / 0.9) ** 2 + 1e-9
    assert tried == pytest.approx([4.0 * 0.9**i for i in range(len(tried))])
    assert backtrack(lambda eta: math.inf, 1.0, 1.0, 1.0, c=0.1, beta=0.5, most=3) == (0.125, False)


def test_a_step_without_a_step_size_moves_by_a_millionth() -> None:
    """An ascent direction cannot satisfy the condition: the loss jumps wherever the parameters move."""
    model = nn.Linear(2, 1, bias=False)
    start = model.weight.detach().clone()

    def loss_fn(model: nn.Module, batch: Any) -> torch.Tensor:
        moved = not torch.equal(model.weight.detach(), start)
        return model.weight.sum() + 1e6 * moved

    run = TorchRun(model, torch.optim.SGD(model.parameters(), lr=0.1), loss_fn, [None])
    list(LineSearch(max_trials=7).drive(run, 1))
    assert get_lr(run.optimizer) == 1e-6
    assert torch.allclose(model.weight, start - 1e-6, atol=1e-8)
    assert (run.cost.forwards, run.cost.backwards, run.cost.steps) == (8, 1, 1)


def test_the_step_size_grows_by_gamma_per_epoch() -> None:
    model = nn.Linear(2, 1, bias=False)
    run = TorchRun(
        model, torch.optim.SGD(model.parameters(), lr=0.1), lambda m, b: m.weight.sum(), [None] * 4
    )
    assert lrs_of(run, LineSearch(), 20) == pytest.approx([2, 4, 8, 10, 10])  # a linear loss: all accepted


def test_forwards_are_counted_and_the_initial_lr_does_not_matter() -> None:
    runs = []
    for lr in (1e-5, 3.0):
        run = classifier(lr=lr)
        runs.append(run)
        list(LineSearch().drive(run, 16))
        assert run.cost.backwards == run.cost.steps == 16
        assert run.cost.forwards >= 32
    assert torch.equal(parameters_of(runs[0]), parameters_of(runs[1]))


def test_a_loss_that_is_not_finite_takes_no_step() -> None:
    model = nn.Linear(2, 1, bias=False)
    start = model.weight.detach().clone()
    run = TorchRun(
        model, torch.optim.SGD(model.parameters(), lr=0.1), lambda m, b: m.weight.sum() * math.nan, [None]
    )
    list(LineSearch().drive(run, 3))
    assert torch.equal(model.weight, start)
    assert math.isfinite(get_lr(run.optimizer))


def test_groups_keep_their_ratio() -> None:
    run = classifier(groups=True)
    list(LineSearch().drive(run, 8))
    first, second = (group["lr"] for group in run.optimizer.param_groups)
    assert second == pytest.approx(first / 10)


def test_resuming_gives_the_same_run() -> None:
    resumed(LineSearch, 32)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"c": 0.0}, "got c=0.0"),
        ({"beta": 1.0}, "got beta=1.0"),
        ({"gamma": 0.5}, "got gamma=0.5, need a factor >= 1"),
        ({"initial_step": -1.0}, "got initial_step=-1.0"),
        ({"max_step": 0.0}, "got max_step=0.0"),
        ({"max_trials": 0}, "got max_trials=0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LineSearch(**settings)
