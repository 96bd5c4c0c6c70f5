from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from arc.methods.autolr import AutoLR
from arc.methods.quadratic import Saturation, best_change, trust_radius
from arc.methods.run import get_lr
from arc.methods.torch_run import TorchRun
from tests.arc.methods.problems import OPTIMIZERS, classifier, lrs_of, parameters_of, resumed

CURVATURE = torch.tensor([0.2, 1.0, 3.0])


def bowl(optimizer: str, lr: float) -> TorchRun:
    """``0.5 x^T A x`` without noise: every batch is the same."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)

    def loss_fn(model: nn.Module, batch: Any) -> torch.Tensor:
        return 0.5 * (CURVATURE * model.weight[0] ** 2).sum() + 1.0

    return TorchRun(model, OPTIMIZERS[optimizer](model.parameters(), lr), loss_fn, [None] * 8)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("lr", [0.01, 0.1])
def test_the_fit_finds_the_analytic_optimum_along_each_optimizers_direction(
    optimizer: str, lr: float
) -> None:
    """The exact line search of a quadratic loss; there a fit may be believed at any distance."""
    twin = bowl(optimizer, lr)
    twin.train(4)
    before = parameters_of(twin)
    twin.train(1)
    d = (before - parameters_of(twin)) / lr
    optimum = float((CURVATURE * before * d).sum() / (CURVATURE * d * d).sum())

    run = bowl(optimizer, lr)
    method = AutoLR(explore=0.0, error=1e6, window=4, extrapolation=math.inf)
    method.state.absolute = 1e6  # saturated at once
    next(method.drive(run, 100))
    step, old, new = method.state.changes[0]
    assert (step, old) == (5, lr)
    assert new == pytest.approx(max(optimum, 0.1 * lr), rel=1e-3)  # momentum overshoots at 0.1


def test_parameters_go_where_the_new_lr_would_have_taken_them() -> None:
    method, run = AutoLR(explore=1.0, window=4, rollback=False), bowl("sgd", 0.01)
    method.state.total_steps = 100
    method.advance(run, 4)
    before = parameters_of(run)
    method.advance(run, 4)
    new = get_lr(run.optimizer)
    assert new > 0.01
    assert torch.allclose(parameters_of(run), before - new * CURVATURE * before, atol=1e-6)


def test_the_trust_region_holds() -> None:
    assert trust_radius(8.0, 1e-3) == pytest.approx(0.2)
    assert trust_radius(-1.0, 1e-3) == 0.0
    run = bowl("sgd", 0.3)
    method = AutoLR(error=1e-6, window=4)
    loss = run.loss([None])
    list(method.drive(run, 80))
    assert method.state.changes
    for _, before, after in method.state.changes:
        assert abs(after - before) ** 3 <= 1.001e-6 * loss


@given(
    best=st.floats(-3, 3),
    curvature=st.floats(1e-3, 1e3),
    scale=st.sampled_from([1e-5, 1e-3, 1.0]),
    radius=st.floats(0.1, 5),
)
@settings(max_examples=60, deadline=None)
def test_a_quadratic_is_recovered_at_any_scale(
    best: float, curvature: float, scale: float, radius: float
) -> None:
    changes = [scale * e for e in (-1, -0.5, 0, 0.5, 1)]
    losses = [5 + curvature * (e / scale - best) ** 2 for e in changes]
    expected = max(-radius, min(radius, best))
    assert best_change(changes, losses, radius=radius * scale) / scale == pytest.approx(expected, abs=1e-4)


def test_odd_losses_never_crash_the_fit() -> None:
    e = [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert best_change(e, [math.nan] * 5, radius=9) == 0
    assert best_change(e, [1, 2, math.inf, math.nan, math.nan], radius=9) == 0
    # falling, then diverged: not beyond the last finite measurement
    assert best_change(e, [5, 4, 3.1, 2.3, math.inf], radius=9) == 0.5
    # concave or flat: the lowest that was measured
    assert best_change(e, [1, 3, 4, 3, 0.5], radius=9) == 1.0
    assert best_change(e, [5, 4, 3, 2, 1], radius=0.3) == 0.3


def test_explore_never_lowers_and_exploit_does() -> None:
    run = classifier("sgd", lr=1.5)
    method = AutoLR(explore=0.5, rollback=False)
    list(method.drive(run, 8 * 20))
    explored = [c for c in method.state.changes if c[0] <= 80]
    exploited = [c for c in method.state.changes if c[0] > 84]
    assert all(after > before for _, before, after in explored)
    assert any(after < before for _, before, after in exploited)


def test_saturation_is_relative_first_and_absolute_then() -> None:
    rule = Saturation(began=1.0)
    assert not rule.crossed(0.02, ratio=100)
    assert rule.crossed(0.009, ratio=100)
    assert rule.fixed(0.009, ratio=100) == 0.009
    fixed = Saturation(began=1.0, absolute=0.009)
    assert not fixed.crossed(0.0091, ratio=100)
    assert fixed.crossed(0.0089, ratio=100)
    assert not Saturation().crossed(0.5, ratio=100)
    # a loss that rises has saturated; it leaves the relative threshold's own value behind
    assert rule.crossed(-0.1, ratio=100)
    assert rule.fixed(-0.1, ratio=100) == pytest.approx(0.01)
    assert Saturation(began=-1.0).fixed(-0.1, ratio=100) is None


def test_in_the_exploit_phase_the_lr_waits_for_saturation() -> None:
    run = bowl("sgd", 0.01)
    method = AutoLR(explore=0.0, saturation=1e9)
    assert lrs_of(run, method, 160) == [0.01] * 20
    assert method.state.changes == []
    assert run.cost.snapshots == 0


class Trap(TorchRun):
    """Falls slowly; explodes once the LR has been raised, unless it was put back."""

    def loss(self, batches: Any, *, update_statistics: bool = False) -> float:
        loss = super().loss(batches, update_statistics=update_statistics)
        raised = get_lr(self.optimizer) > 0.011 and self.step_count % 4 == 0
        return math.nan if raised else loss


def test_a_bad_change_is_rolled_back_model_optimizer_and_lr() -> None:
    base = bowl("momentum", 0.01)
    run = Trap(base.model, base.optimizer, base.loss_fn, base.train_batches)
    method, twin = AutoLR(explore=1.0, window=4), bowl("momentum", 0.01)
    losses = [loss for yielded in method.drive(run, 40) for loss in yielded]
    twin.train(40)
    assert method.state.rollbacks
    assert get_lr(run.optimizer) == 0.01
    assert torch.equal(parameters_of(run), parameters_of(twin))
    assert run.step_count == 40
    assert run.cost.steps == len(losses) == 40 + 4 * len(method.state.rollbacks)


def test_the_cost_is_that_of_the_paper_plus_one_superbatch_per_end_of_window() -> None:
    run = classifier()
    method = AutoLR(explore=1.0, window=8, superbatch=8, rollback=False)
    list(method.drive(run, 80))
    windows = 10
    fits = windows - 1
    assert run.cost.steps == 80
    assert run.cost.forwards == 80 + 8 * (5 * fits + 2 * windows)
    assert run.cost.snapshots == fits


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_too_low_an_lr_is_raised_and_groups_keep_their_ratio(optimizer: str) -> None:
    run, constant = classifier(optimizer, 1e-4, groups=True), classifier(optimizer, 1e-4, groups=True)
    lrs = lrs_of(run, AutoLR(), 8 * 12)
    constant.train(8 * 12)
    first, second = (group["lr"] for group in run.optimizer.param_groups)
    assert lrs[-1] > 1e-3
    assert second == pytest.approx(first / 10)
    assert run.validate() < constant.validate()


@pytest.mark.parametrize("window", [3, 4, 11])
@pytest.mark.parametrize("stop", [1, 2, 5])
def test_resuming_gives_the_same_run(stop: int, window: int) -> None:
    method, again, _ = resumed(lambda: AutoLR(window=window), 64, stop=stop)
    assert again.state.changes == method.state.changes


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"explore": 1.5}, "got explore=1.5, need a part of the run"),
        ({"error": 0.0}, "got error=0.0"),
        ({"saturation": 1.0}, "got saturation=1.0"),
        ({"window": 1}, "got window=1, need None or an integer >= 2"),
        ({"superbatch": 0}, "got superbatch=0"),
        ({"samples": 2}, "got samples=2, need an integer >= 3"),
        ({"extrapolation": 0.5}, "got extrapolation=0.5"),
    ],
)
def test_bad_settings_are_refused(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoLR(**settings_)
