from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from arc.methods.one_cycle import OneCycle, one_cycle
from arc.methods.range_test import average, pick, range_test
from tests.arc.methods.problems import classifier, lrs_of, resumed


def test_the_test_leaves_the_run_as_it_was_and_counts_its_cost() -> None:
    run = classifier("momentum", groups=True)
    run.train(3)
    before = run.snapshot()
    found = range_test(run, steps=40)
    after = run.snapshot()
    assert torch.equal(before["draws"]["torch"], after["draws"]["torch"])
    for name, value in before["model"].items():
        assert torch.equal(value, after["model"][name]), name
    assert str(before["optimizer"]) == str(after["optimizer"])
    assert len(found.lrs) == len(found.losses) == found.cost.steps
    assert found.cost.snapshots == 1


@pytest.mark.parametrize("growth", ["exponential", "linear"])
def test_the_lr_grows_as_asked_until_the_loss_explodes(growth: Any) -> None:
    found = range_test(classifier("sgd"), lr_range=(1e-4, 1e4), steps=60, growth=growth)
    lrs = np.array(found.lrs)
    steps = np.diff(np.log(lrs)) if growth == "exponential" else np.diff(lrs)[1:]
    assert np.allclose(steps, steps[0])
    assert lrs[0] == (1e-4 if growth == "exponential" else 1e-2)
    assert found.lr in found.lrs
    assert len(lrs) < 60 or growth == "linear"


def test_the_best_value_is_that_of_the_average() -> None:
    lrs = list(np.geomspace(1e-5, 10, 100))
    x = np.log10(lrs)
    losses = 2 - 1.5 / (1 + np.exp(-3 * (x + 3))) + np.where(x > -0.5, 30 * (x + 0.5), 0)
    best = x[losses.argmin()]
    assert best - 0.5 < math.log10(pick(lrs, list(losses))) <= best  # never beyond the best value
    diverged = [*losses[:70], math.nan]
    assert pick(lrs[:71], diverged) <= lrs[66]
    assert average([3.0, 3.0]) == pytest.approx([3.0, 3.0])
    with pytest.raises(ValueError, match="never finite: begin the range test at a lower LR"):
        pick([1.0], [math.nan])


def test_the_cycle_in_numbers() -> None:
    settings = {"rise": 13 / 30, "fall": 13 / 30, "divisor": 19.8, "final": 1e3}
    lrs = [0.198 * one_cycle(epoch / 30, **settings).lr for epoch in range(31)]
    assert lrs[0] == pytest.approx(0.01)
    assert max(lrs) == lrs[13] == pytest.approx(0.198)
    assert lrs[26] == pytest.approx(0.01)
    assert lrs[30] == pytest.approx(1e-5)
    assert np.allclose(np.diff(lrs[:14], 2), 0)
    assert np.allclose(np.diff(lrs[13:27], 2), 0)
    momenta = [one_cycle(epoch / 30, **settings).momentum for epoch in range(31)]
    assert (momenta[0], momenta[13], momenta[26], momenta[30]) == pytest.approx((0, 1, 0, 0), abs=1e-9)
    assert one_cycle(1.0, rise=0.5, fall=0.5, divisor=10.0, final=10.0).lr == pytest.approx(0.01)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_momentum_is_cycled_inversely_where_there_is_one(optimizer: str) -> None:
    run = classifier(optimizer)
    seen: list[tuple[float, Any]] = []
    train = run.train

    def watched(steps: int, step: Any = None) -> list[float]:
        group = run.optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        return train(steps, step)

    run.train = watched  # type: ignore[method-assign]
    list(OneCycle(max_lr=0.1).drive(run, 40))
    lrs, momenta = zip(*seen, strict=True)
    if optimizer == "sgd":
        assert set(momenta) == {0}
        return
    assert momenta[0] == pytest.approx(0.95)
    assert momenta[lrs.index(max(lrs))] == pytest.approx(min(momenta)) == pytest.approx(0.85)


def test_one_cycle_with_its_range_test_trains() -> None:
    run = classifier("momentum", lr=1e-6, groups=True)
    before = run.validate()
    lrs_of(run, OneCycle(test_steps=40), 80)
    assert run.step_count == 80
    assert 80 < run.cost.steps <= 120
    assert run.validate() < before
    first, second = (group["lr"] for group in run.optimizer.param_groups)
    assert second == pytest.approx(first / 10)


def test_resuming_does_not_test_again() -> None:
    *_, run = resumed(lambda: OneCycle(test_steps=30), 40, start=lambda: classifier("momentum"))
    assert run.cost.steps == 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_lr": -1.0}, "got max_lr=-1.0, need None or a positive LR"),
        ({"divisor": 1.0}, "got divisor=1.0"),
        ({"rise": 0.0}, "got rise=0.0"),
        ({"fall": 0.6}, "got fall=0.6, need a part of what rise leaves"),
        ({"final": 0.5}, "got final=0.5"),
        ({"momentum": (0.8, 0.9)}, "got momentum="),
        ({"fraction": 0.0}, "got fraction=0.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OneCycle(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_range": (1.0, 0.5)}, "two ascending positive LRs"),
        ({"steps": 1}, "got steps=1"),
        ({"growth": "cubic"}, "got growth='cubic', need exponential or linear"),
    ],
)
def test_bad_tests_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        range_test(classifier(), **settings)
