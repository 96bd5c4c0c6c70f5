"""What the network sees: averages of any number of losses, and numbers that know no unit."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from arc.history.blocks import POINTS, blocks
from arc.history.course import CALLS, Call, Course
from arc.history.movement import FLOATS, Movement
from arc.history.observation import LENGTH, NAMES, observe

MOVED = Movement(
    step=1.0,
    norm=10.0,
    start=9.0,
    distance=2.0,
    cosine=0.5,
    cosine2=0.25,
    tensor_cosine=(0.1, 0.2, 0.3, 0.4, 0.5),
    tensor_step=(-2.0, -1.5, -1.0, -0.5, -0.1),
)


def course(
    calls: int, *, seed: int = 0, scale: float = 1.0, lr: float = 0.1, steps: int = 60, **more: Any
) -> Course:
    rng = np.random.default_rng(seed)
    found = Course()
    for i in range(calls):
        losses = scale * (1 / (i + np.linspace(1, 2, steps)) + 0.05 * rng.normal(size=steps))
        means, spreads = blocks(losses.tolist())
        val = scale * (1 / (i + 2) + 0.02 * rng.normal())
        seen = {"val_loss": val, "moved": MOVED} | more
        found.add(Call(lr=lr, steps=steps, means=means, spreads=spreads, **seen))
    return found


def number(seen: Any, name: str) -> float:
    return float(seen.numbers[NAMES.index(name)])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_blocks_are_averages_of_equal_stretches(losses: list[float]) -> None:
    means, spreads = blocks(losses)
    parts = np.array_split(np.array(losses), min(POINTS, len(losses)))
    np.testing.assert_allclose(means, [part.mean() for part in parts], rtol=1e-9, atol=1e-9)
    expected = [math.sqrt((np.diff(p) ** 2).mean() / 2) if len(p) > 1 else 0.0 for p in parts]
    np.testing.assert_allclose(spreads, expected, rtol=1e-6, atol=1e-6)


def test_calls_of_ten_and_ten_thousand_steps_look_alike() -> None:
    """The mistake that averaging mends: every n-th loss of a long call is one noisy batch."""
    rng = np.random.default_rng(0)
    means, spreads = blocks((np.linspace(2, 1, 10_000) + rng.normal(size=10_000)).tolist())
    assert np.abs(np.array(means) - np.linspace(1.98, 1.02, POINTS)).max() < 0.2
    assert np.array(spreads) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 9])
def test_shapes_and_finite_values(calls: int) -> None:
    seen = observe(course(calls), gone=0.5)
    assert seen.window.shape == (LENGTH, 4) and seen.numbers.shape == (len(NAMES),)
    assert seen.window.dtype == seen.numbers.dtype == np.float32
    assert np.isfinite(seen.window).all() and np.isfinite(seen.numbers).all()
    empty = LENGTH - POINTS * min(calls, CALLS)
    assert not seen.window[:empty].any() and seen.window[empty:, 0].any()


@given(st.floats(-6, 6), st.floats(-8, 2))
def test_units_of_loss_and_lr_do_not_matter(power: float, lr: float) -> None:
    here, there = observe(course(5)), observe(course(5, scale=10**power, lr=10**lr))
    np.testing.assert_allclose(here.window, there.window, atol=1e-4)
    np.testing.assert_allclose(here.numbers, there.numbers, atol=1e-4)


def test_what_is_missing_is_zero_and_says_so() -> None:
    seen = observe(course(5, val_loss=None, moved=None))
    for name in ("moved_0", "cos_0", "step_0", "eff", "tensor_cos_2", "val", "val_above", "timed", "gone"):
        assert number(seen, name) == 0
    assert not seen.window[:, 2].any()
    full = observe(course(5), gone=0.25)
    assert number(full, "moved_0") == number(full, "val") == number(full, "timed") == 1
    assert number(full, "gone") == 0.25
    assert number(full, "step_0") == pytest.approx(math.log10(1 / 9))


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_odd_weights_make_no_odd_numbers(value: float) -> None:
    moved = replace(MOVED, step=value, norm=value, cosine=math.nan, tensor_step=(math.nan,) * 5)
    assert np.isfinite(observe(course(3, moved=moved)).numbers).all()


def test_constant_losses_are_no_noise() -> None:
    found = Course()
    for _ in range(3):
        found.add(Call(lr=1.0, steps=5, means=[2.0] * 5, spreads=[0.0] * 5, val_loss=2.0))
    seen = observe(found)
    assert not seen.window[:, 0].any() and np.isfinite(seen.numbers).all()


def test_lr_changes_are_seen_as_ratios() -> None:
    found = course(3)
    last = found.calls[-1]
    found.add(replace(last, lr=1.0))
    seen = observe(found)
    assert number(seen, "lr_before") == number(seen, "lr_start") == pytest.approx(1.0)
    assert number(seen, "held") == 0 and found.held == 1
    np.testing.assert_allclose(seen.window[-POINTS:, 3], 0)
    np.testing.assert_allclose(seen.window[:-POINTS, 3], -1)


def test_a_course_without_calls_is_refused() -> None:
    with pytest.raises(ValueError, match="without calls"):
        observe(Course())


def test_a_course_goes_on_from_its_state(tmp_path: Path) -> None:
    whole, part = course(7), course(4)
    torch.save(part.state_dict(), tmp_path / "state.pt")
    again = Course.from_state(torch.load(tmp_path / "state.pt", weights_only=True))
    for call in list(whole.calls)[-3:]:
        part.add(call)
        again.add(call)
    np.testing.assert_array_equal(observe(part).numbers, observe(again).numbers)
    np.testing.assert_array_equal(observe(part).window, observe(again).window)


def test_the_lowest_validation_loss_is_remembered() -> None:
    found = Course()
    for val in (3.0, 1.0, 2.0, 2.5):
        found.add(Call(lr=1.0, steps=2, means=[val, val], spreads=[0.0, 0.0], val_loss=val))
    assert found.since_best == 2
    assert (found.val.first, found.val.lowest, found.val.highest, found.val.last) == (3.0, 1.0, 3.0, 2.5)


def test_movement_survives_a_row() -> None:
    row = MOVED.packed()
    assert len(row) == FLOATS
    assert Movement.unpacked(row) == MOVED
