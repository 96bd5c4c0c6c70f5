"""The shapes of the comparison's fixed schedules, as parts of the initial LR at each of 100 steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from arc.methods.method import Method
from arc.methods.run import get_lr, set_lr
from arc.methods.torch_run import TorchRun
from proxy_eval import schedules
from proxy_eval.others import RandomActions

STEPS = 100


def tiny(lr: float = 1.0) -> TorchRun:
    """Ten steps an epoch on a loss that is always 0."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return TorchRun(model, optimizer, lambda m, _: m.weight.sum() * 0, [None] * 10, lambda: 1.0)


def trace(make: Callable[[TorchRun, int], Method]) -> np.ndarray:
    """The LR in force at each step."""
    run = tiny()
    seen: list[float] = []
    update = run.update
    run.update = lambda batch: (seen.append(get_lr(run.optimizer)), update(batch))[1]  # type: ignore[method-assign]
    list(make(run, STEPS).drive(run, STEPS))
    return np.array(seen)


def test_every_schedule_keeps_a_positive_lr_at_or_below_the_initial_one() -> None:
    for make in (
        schedules.constant,
        schedules.cosine,
        schedules.cyclic_cosine,
        schedules.exponential,
        schedules.linear,
        schedules.warmup_cosine,
        schedules.warmup_stable_decay,
        schedules.trapezoid,
    ):
        lrs = trace(make)
        assert len(lrs) == STEPS
        assert 0 < lrs.min() <= lrs.max() <= 1.0


def test_cosine_and_linear_fall_to_nearly_nothing() -> None:
    t = np.arange(STEPS) / STEPS
    assert np.allclose(trace(schedules.cosine), (1 + np.cos(np.pi * t)) / 2)
    assert np.allclose(trace(schedules.linear), 1 - (np.arange(STEPS) + 0.5) / STEPS)


def test_cyclic_cosine_restarts_after_a_third() -> None:
    lrs = trace(schedules.cyclic_cosine)
    assert list(np.flatnonzero(np.diff(lrs) > 0) + 1) == [33, 99]
    assert lrs[33] == 1.0


def test_exponential_is_per_epoch() -> None:
    assert np.allclose(trace(schedules.exponential), 0.9 ** (np.arange(STEPS) // 10))


@pytest.mark.parametrize(
    ("make", "flat"), [(schedules.warmup_stable_decay, (10, 80)), (schedules.trapezoid, (10, 90))]
)
def test_warm_up_flat_and_decay(make: Callable[[TorchRun, int], Method], flat: tuple[int, int]) -> None:
    lrs, (begin, end) = trace(make), flat
    assert np.all(np.diff(lrs[:begin]) > 0)
    assert np.all(lrs[begin:end] == 1)
    assert np.all(np.diff(lrs[end:]) < 0)
    assert lrs[-1] < 0.06


def test_warm_up_and_cosine_meet_at_the_initial_lr() -> None:
    lrs = trace(schedules.warmup_cosine)
    assert lrs.argmax() == 10
    assert lrs[10] == pytest.approx(1.0)
    assert np.all(np.diff(lrs[:11]) > 0)
    assert np.all(np.diff(lrs[10:]) < 0)


def test_greedy_has_its_own_bounds_or_sane_ones() -> None:
    def ends(sane: bool) -> float:
        run = tiny(lr=1e-5)
        for _ in schedules.greedy(run, 2000, sane=sane).drive(run, 2000):
            pass
        return get_lr(run.optimizer)

    assert ends(sane=False) == 1e-5  # below its default bound of 1e-3 it cannot be lowered
    assert ends(sane=True) < 1e-5


def test_random_actions_are_seeded_periodic_and_as_frequent_as_asked() -> None:
    def moves(seed: int, frequencies: tuple[float, float, float]) -> list[float]:
        run, factors = tiny(), []
        before = 1.0
        for _ in RandomActions(seed=seed, frequencies=frequencies).drive(run, 900):
            after = get_lr(run.optimizer)
            factors.append(round(after / before, 3))
            before = after
            if not 1e-6 < after < 1e6:
                set_lr(run.optimizer, 1.0)
                before = 1.0
        return factors

    found = moves(0, (0.2, 0.5, 0.3))
    assert found == moves(0, (0.2, 0.5, 0.3))
    assert found != moves(1, (0.2, 0.5, 0.3))
    assert all(f == 1 for i, f in enumerate(found, start=1) if i % 3)
    assert set(found) == {1.618, 1.0, 0.618}
    assert set(moves(0, (0.0, 0.0, 1.0))[2::3]) == {0.618}
    with pytest.raises(ValueError, match="need three parts that sum to 1"):
        RandomActions(frequencies=(0.5, 0.5, 0.5))
