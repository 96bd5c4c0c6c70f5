"""What is normal for a run: noise from few values, whatever the unit of the loss."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.history.course import Call
from arc.recovery.yardstick import LEAST, Yardstick


def fed(means: list[float], *, noise: float = 0.0, seed: int = 0, blocks: int = 8) -> Yardstick:
    rng, yard = random.Random(seed), Yardstick()
    for i, mean in enumerate(means):
        parts = tuple(mean + rng.gauss(0, noise) for _ in range(blocks))
        call = Call(
            epoch=i + 1, lr=0.1 * (i + 1), steps=80, kept=80, mean=sum(parts) / len(parts), blocks=parts
        )
        yard.begin(call)
        yard.add(call)
    return yard


def test_the_noise_of_a_call_is_that_of_the_mean_of_its_stretches() -> None:
    found = [fed([2.0] * 12, noise=0.4, seed=seed).noise for seed in range(20)]
    assert sorted(found)[10] == pytest.approx(0.4 / math.sqrt(8), rel=0.5)


def test_a_trend_is_no_noise() -> None:
    assert fed([3.0 - 0.1 * i for i in range(12)]).noise < 0.05


def test_nothing_is_known_of_too_few_values() -> None:
    assert fed([2.0] * (LEAST - 1), blocks=1).noise == math.inf
    assert math.isfinite(fed([2.0, 2.1, 1.9, 2.0, 2.1], blocks=1).noise)
    assert fed([2.0], noise=0.1).noise < math.inf


@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-3, 3))
def test_the_unit_of_the_loss_does_not_matter(scale: float, shift: float) -> None:
    means = [3.0, 2.0, 1.5, 1.4, 1.2, 1.25, 1.1]
    plain = fed(means)
    other = fed([scale * (m + shift) for m in means])
    assert other.noise == pytest.approx(scale * plain.noise, rel=1e-3, abs=1e-11 * scale)
    assert other.best == pytest.approx(scale * (plain.best + shift), rel=1e-6, abs=1e-9 * scale)
    assert other.learned == plain.learned


def test_what_was_learned_has_to_be_clear() -> None:
    assert fed([3.0, 2.0, 1.5, 1.4], noise=0.05).learned
    assert not fed([3.0, 2.9, 3.05, 2.95, 3.0], noise=0.5).learned


def test_the_lr_of_the_best_call_is_remembered() -> None:
    assert fed([3.0, 1.0, 2.0]).best_lr == pytest.approx(0.2)


def test_a_new_start_forgets_all_but_the_level_at_the_start() -> None:
    yard = fed([3.0, 2.0, 1.0])
    yard.restart()
    assert (yard.first, yard.best, yard.noise) == (3.0, math.inf, math.inf)


def test_it_survives_a_file() -> None:
    yard, other = fed([3.0, 2.0, 1.5, 1.4, 1.3], noise=0.1), Yardstick()
    other.load_state_dict(yard.state_dict())
    assert other.state_dict() == yard.state_dict() and other.noise == yard.noise
