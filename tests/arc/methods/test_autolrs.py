from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.methods.autolrs import AutoLRS
from arc.methods.forecast import exponential, without_outliers
from arc.methods.proposals import PUBLISHED_KAPPA, best, propose
from arc.methods.run import Cost, get_lr
from tests.arc.methods.problems import classifier, lrs_of, parameters_of, resumed

RANGE = (1e-6, 10.0)


def decay(a: float, rate: float, c: float, length: int, noise: float = 0.0, seed: int = 0) -> list[float]:
    t = np.arange(length)
    noises = noise * np.random.default_rng(seed).standard_normal(length)
    return list(a * np.exp(-rate * t / length) + c + noises)


@pytest.mark.parametrize(("length", "kind"), [(100, "train"), (800, "train"), (16, "val")])
@pytest.mark.parametrize("rate", [2.0, 5.0])
def test_the_forecast_recovers_exponentials_under_noise(length: int, kind: str, rate: float) -> None:
    """Ten times the observed length ahead: a falls from 2 to 1, plus noise of 2 %."""
    errors = [
        exponential(decay(2, rate, 1, length, 0.02, seed), 10 * length, kind=kind) - 1 for seed in range(10)
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 0.1


def test_the_forecast_shrugs_off_outliers() -> None:
    losses = decay(2, 4, 1, 100, 0.01)
    for i in (5, 17, 30, 41):
        losses[i] += 8
    assert exponential(losses, 1000) == pytest.approx(1, abs=0.1)
    t, y = without_outliers(np.arange(100.0), np.array(losses), kind="train")
    assert not {5.0, 17.0, 30.0, 41.0} & set(t)
    assert set(np.arange(50.0, 100.0)) <= set(t)  # the second half is never touched
    assert len(y) == len(t)


@given(scale=st.floats(1e-4, 1e4), offset=st.floats(-10, 10))
@settings(max_examples=25, deadline=None)
def test_the_forecast_follows_the_unit_of_the_loss(scale: float, offset: float) -> None:
    losses = np.array(decay(2, 3, 1, 60, 0.02))
    plain, changed = exponential(list(losses), 600), exponential(list(scale * losses + scale * offset), 600)
    assert changed / scale - offset == pytest.approx(plain, abs=1e-2)


def test_rising_flat_short_and_diverged_series() -> None:
    assert exponential([3.0] * 40, 400) == pytest.approx(3)
    assert exponential([5 - loss for loss in decay(2, 3, 1, 50)], 500) == pytest.approx(4, abs=0.05)
    assert exponential([4.0, 3.0, 2.0, 1.0], 100) == 1.5
    assert math.isnan(exponential([1.0] * 20 + [math.nan], 100))
    assert math.isnan(exponential([1.0] * 20 + [math.inf], 100))


def valley(lr: float, centre: float, noise: float = 0.0) -> float:
    """Lowest (1) at ``10**centre``, 2 far below, diverging a decade above."""
    x = math.log10(lr) - centre
    return math.nan if x > 1 else 2 - math.exp(-(x**2)) + (5 * (x - 0.5) if x > 0.5 else 0) + noise


@pytest.mark.parametrize("centre", [-4.0, -2.2, -1.0])
def test_the_search_finds_the_best_of_a_known_curve_within_ten_trials(centre: float) -> None:
    found = []
    for seed in range(2):
        tried: dict[float, float] = {}
        for _ in range(10):
            lr = propose(tried, RANGE, kappa=4.0, seed=seed)
            tried[lr] = valley(lr, centre)
        found.append(abs(math.log10(best(tried)) - centre))
    assert max(found) < 0.5
    assert min(found) < 0.25


def test_the_published_constant_only_explores() -> None:
    tried: dict[float, float] = {}
    for _ in range(10):
        tried[propose(tried, RANGE, kappa=PUBLISHED_KAPPA, seed=0)] = valley(1e-3, -3) - 5 * len(tried)
    gaps = np.diff(sorted(np.log10(list(tried))))
    assert len(tried) == 10
    assert gaps.min() > 0.2
    assert gaps.max() < 1.5


def test_diverged_trials_rank_worst() -> None:
    assert best({1e-3: math.nan, 1e-2: 5.0, 1e-1: -math.inf}) == 1e-2
    assert best({1e-2: math.nan, 1e-3: math.inf}) == 1e-3
    everything_diverged: dict[float, float] = {}
    for _ in range(5):
        everything_diverged[propose(everything_diverged, RANGE, kappa=4.0, seed=1)] = math.nan
    assert len(everything_diverged) == 5
    assert all(RANGE[0] <= lr <= RANGE[1] for lr in everything_diverged)


def make(**constants: Any) -> AutoLRS:
    return AutoLRS(**{"min_lr": 1e-5, "max_lr": 10.0, "stage": 40, "max_stage": 80, **constants})


def test_search_costs_as_many_steps_as_training() -> None:
    run, method = classifier(), make()
    before = run.validate()
    lrs = lrs_of(run, method, 40 + 80 + 80 + 40)
    assert run.step_count == 240
    assert run.cost.steps == 2 * 240
    assert [step for step, _, _ in method.state.stages] == [0, 40, 120, 200]
    assert all(len(tried) == 10 for _, _, tried in method.state.stages)
    assert len(set(lrs)) == 4
    assert method.state.validating
    assert run.cost.snapshots == 4
    # stage 3 and the cut stage 4 validate during trials of 8 and 4 steps: once per step
    assert run.cost.forwards - run.cost.steps - 1 == 10 * (8 + 4)
    assert run.validate() < before


def test_stages_double_and_then_judge_by_validation() -> None:
    method, run = make(max_stage=160, trials=3), classifier()
    list(method.drive(run, 40 + 80 + 160))
    assert run.cost.forwards == run.cost.steps  # nothing validated yet
    assert [step for step, _, _ in method.state.stages] == [0, 40, 120]


def test_validations_of_a_trial_are_sixteen_at_equal_distances() -> None:
    seen: list[int] = []

    class Fake:
        cost, step_count = Cost(), 0

        def train(self, steps: int) -> list[float]:
            self.step_count += steps
            return [1.0] * steps

        def validate(self) -> float:
            seen.append(self.step_count)
            return 1.0

    method = make(stage=1000, max_stage=8000)
    method.state.validating = True
    method._trial(Fake(), 8000)  # type: ignore[arg-type]
    assert len(seen) == 16
    assert set(np.diff(seen)) == {50}
    seen.clear()
    method._trial(Fake(), 8300)  # type: ignore[arg-type]
    assert seen[-1] == 830


def test_what_is_left_may_be_too_short_for_a_search() -> None:
    run, method = classifier(), make(trials=3)
    list(method.drive(run, 42))
    assert len(method.state.stages) == 1
    assert run.step_count == 42


def test_diverging_trials_are_survived() -> None:
    run = classifier()
    original = run.loss_fn
    run.loss_fn = lambda model, batch: (
        original(model, batch) * (math.nan if get_lr(run.optimizer) > 0.5 else 1)
    )
    lrs = lrs_of(run, make(trials=5), 40)
    assert all(lr <= 0.5 for lr in lrs)


def test_an_exploded_trial_is_judged_by_what_it_came_to() -> None:
    class Fake:
        cost, step_count = Cost(), 0

        def train(self, steps: int) -> list[float]:
            return [2.0, 300.0, *(40 / (i + 1) for i in range(steps - 2))]

    method = make(stage=1000, max_stage=8000)
    forecast = method._trial(Fake(), 1000)  # type: ignore[arg-type]
    assert forecast == pytest.approx(sum(40 / i for i in range(89, 99)) / 10)


def test_groups_keep_their_ratio_and_the_run_is_deterministic() -> None:
    ends = []
    for _ in range(2):
        run = classifier("adam", groups=True)
        list(make(trials=3).drive(run, 40))
        first, second = (group["lr"] for group in run.optimizer.param_groups)
        assert second == pytest.approx(first / 10)
        ends.append(parameters_of(run))
    assert torch.equal(*ends)


@pytest.mark.parametrize("stop", [1, 7])
def test_resuming_gives_the_same_run(stop: int) -> None:
    resumed(lambda: make(trials=4), 128, stop=stop)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"min_lr": 1.0, "max_lr": 0.1}, r"got \(min_lr, max_lr\)=\(1.0, 0.1\), need two ascending"),
        ({"trials": 1}, "got trials=1"),
        ({"stage": 5}, "got stage=5, need at least trials=10 steps"),
        ({"max_stage": 10}, "got max_stage=10, need at least stage=40"),
        ({"validations": 0}, "got validations=0"),
        ({"kappa": -1.0}, "got kappa=-1.0"),
    ],
)
def test_bad_settings_are_refused(constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**constants)
