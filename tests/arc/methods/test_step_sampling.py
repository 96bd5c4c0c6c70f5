from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from arc.methods.loss_curve import analyse, refine
from arc.methods.run import get_lr
from arc.methods.step_sampling import StepSampling, search, suggest
from tests.arc.methods.problems import classifier, lrs_of, parameters_of


def valley(lr: float, *, fall: float = -3.0, rise: float = -1.0, sharp: float = 4.0) -> float:
    """A plateau at 1, a smooth fall around 10**fall, divergence above 10**rise."""
    x = math.log10(lr)
    if x > 0.5:
        return math.nan
    return 1 - 0.9 / (1 + math.exp(-sharp * (x - fall))) + 5 / (1 + math.exp(-8 * (x - rise)))


def analytic(fall: float = -3.0, sharp: float = 4.0) -> dict[str, float]:
    """Points of interest of the same curve on a grid without interpolation."""
    x = np.linspace(-7, 1, 80_001)
    loss = np.array([valley(10**v, fall=fall, sharp=sharp) for v in x])
    best = np.nanargmin(loss)
    y = (loss - loss[best]) / (1 - loss[best])
    slope = np.gradient(y, x)
    curvature = np.gradient(slope, x) / (1 + slope**2) ** 1.5
    half = np.flatnonzero(y <= 0.5)[0]
    knee = curvature[2:half].argmin() + 2
    steepest = slope[1:best].argmin() + 1
    return {"min_lr": x[knee], "max_lr": x[best], "half": x[half], "steepest": x[steepest]}


@pytest.mark.parametrize("fall", [-4.0, -3.3, -2.5])
def test_refinement_finds_the_points_of_an_analytic_curve_with_diverging_trials(fall: float) -> None:
    curve = refine(lambda lr: valley(lr, fall=fall), untrained=1.0, threshold=0.1)
    assert any(math.isnan(loss) for loss in curve.values())
    points = analyse(curve, untrained=1.0)
    expected = analytic(fall)
    for name, x in expected.items():
        assert math.log10(getattr(points, name)) == pytest.approx(x, abs=0.15), name
    middle = (math.log10(points.min_lr) + math.log10(points.max_lr)) / 2
    assert math.log10(points.midpoint) == pytest.approx(middle)


def test_a_dense_curve_gives_the_points_exactly() -> None:
    lrs = 10 ** np.linspace(-7, 0.4, 600)
    points = analyse({float(lr): valley(lr) for lr in lrs}, untrained=1.0)
    for name, x in analytic().items():
        assert math.log10(getattr(points, name)) == pytest.approx(x, abs=0.06), name


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_points_do_not_depend_on_the_unit_or_offset_of_the_loss(scale: float) -> None:
    curve = refine(valley, untrained=1.0)
    scaled = {lr: scale * loss + 7 for lr, loss in curve.items()}
    original, changed = analyse(curve, 1.0), analyse(scaled, scale + 7)
    assert changed.midpoint == pytest.approx(original.midpoint, rel=1e-6)
    assert changed.min_lr == pytest.approx(original.min_lr, rel=1e-6)


def test_the_grid_is_half_decades_and_refinement_stays_beside_the_points() -> None:
    tried: list[float] = []

    def trial(lr: float) -> float:
        tried.append(lr)
        return valley(lr)

    curve = refine(trial, untrained=1.0, threshold=0.25)
    assert np.allclose(np.diff(np.log10(tried[:17])), 0.5)
    assert 17 < len(tried) < 30
    assert len(set(tried)) == len(tried) == len(curve)
    assert list(curve) == sorted(curve)


def test_a_diverged_trial_is_never_the_best() -> None:
    curve = {1e-3: 0.9, 1e-2: 0.5, 1e-1: math.nan, 1.0: -math.inf}
    assert analyse(curve, untrained=1.0).max_lr == pytest.approx(1e-2)


def test_no_improvement_is_said_with_numbers() -> None:
    with pytest.raises(ValueError, match=r"no LR from 1e-07 to 10 lowers the validation loss: 1 untrained"):
        refine(lambda lr: 1.0 + lr, untrained=1.0)
    with pytest.raises(ValueError, match="at least 3"):
        analyse({0.1: 0.5}, untrained=1.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"selection": "best"}, "got selection='best', need midpoint, half, steepest"),
        ({"steps": 0}, "got steps=0, need an integer >= 1"),
        ({"lr_range": (1.0, 0.1)}, "two ascending positive LRs"),
        ({"threshold": 0.0}, "got threshold=0.0"),
    ],
)
def test_bad_settings_are_refused(setting: dict[str, object], message: str) -> None:
    run = classifier()
    with pytest.raises(ValueError, match=message):
        suggest(run.model, run.optimizer, run.loss_fn, run.train_batches, run.val_fn, **setting)


def test_batches_that_can_be_read_once_are_refused() -> None:
    run = classifier()
    with pytest.raises(TypeError, match="can be read only once; pass a list or a DataLoader"):
        suggest(run.model, run.optimizer, run.loss_fn, iter(run.train_batches), run.val_fn)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_suggest_leaves_everything_as_it_was_and_counts_its_cost(optimizer: str) -> None:
    run = classifier(optimizer, groups=True)
    run.train(3)  # optimizer state exists, and must come back
    before = run.snapshot()
    found = suggest(run.model, run.optimizer, run.loss_fn, run.train_batches, run.val_fn, steps=5)
    after = run.snapshot()
    assert torch.equal(before["draws"]["torch"], after["draws"]["torch"])
    assert before["draws"]["python"] == after["draws"]["python"]
    for name, value in before["model"].items():
        assert torch.equal(value, after["model"][name]), name
    assert str(before["optimizer"]) == str(after["optimizer"])
    assert found.min_lr <= found.midpoint == found.lr <= found.max_lr
    trials = len(found.curve) + 1  # one of them at an LR that moves nothing
    assert found.cost.steps == found.cost.backwards == 5 * trials
    assert found.cost.forwards == 5 * trials + trials
    assert found.cost.snapshots == 1
    assert found.cost.snapshot_bytes > 0


def test_the_search_is_deterministic_and_its_lr_trains() -> None:
    first, second = (search(classifier("sgd", lr=1e-6)) for _ in range(2))
    assert first.curve == second.curve
    run = classifier("sgd", lr=1e-6)
    start = run.validate()
    method = StepSampling()
    lrs = lrs_of(run, method, 24)
    assert lrs == pytest.approx([first.lr] * 3)
    assert run.validate() < start
    assert run.step_count == 24
    assert run.cost.steps == 24 + 20 * (len(first.curve) + 1)


def test_the_untrained_loss_has_batch_norm_statistics_of_its_own() -> None:
    """Moving statistics alone change the loss: at LRs that train nothing the curve must lie at 1."""
    found = search(classifier("sgd"))
    lowest = next(iter(found.curve.values()))
    assert lowest == pytest.approx(found.untrained, rel=1e-5)
    assert abs(classifier("sgd").validate() - found.untrained) > 1e-3


def test_parameter_groups_keep_their_ratio() -> None:
    run = classifier("sgd", groups=True)
    lrs_of(run, StepSampling(steps=5), 8)
    first, second = (group["lr"] for group in run.optimizer.param_groups)
    assert second == pytest.approx(first / 10)


def test_resuming_does_not_search_again() -> None:
    run = classifier()
    method = StepSampling(steps=5)
    drive = method.drive(run, 24)
    next(drive)
    saved, checkpoint = method.state_dict(), run.snapshot()
    rest = list(drive)
    expected = parameters_of(run)

    resumed = StepSampling(steps=5)
    resumed.load_state_dict(saved)
    other = classifier(lr=123.0)
    other.restore(checkpoint)
    assert list(resumed.drive(other, 24)) == rest
    assert torch.equal(parameters_of(other), expected)
    assert get_lr(other.optimizer) == saved["lr"]
    assert other.cost.steps == 16  # what was left, and no search
