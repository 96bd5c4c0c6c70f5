"""The features against their naive twin, and what must leave them unchanged."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import arc
from arc.history.features import STD_FLOOR
from tests import reference
from tests.arc.strategies import Lists, histories, periods

many = settings(max_examples=150, deadline=None, derandomize=True)


@many
@given(histories())
def test_features_equal_the_naive_twin(lists: Lists) -> None:
    window = arc.featurise(periods(lists))
    assert window.shape == (300, 3) and window.dtype == np.float32
    np.testing.assert_allclose(window, reference.features(*lists), rtol=1e-5, atol=1e-5)


@many
@given(histories(), st.floats(0.01, 100), st.floats(-100, 100))
def test_a_positive_affine_change_of_the_losses_changes_nothing(
    lists: Lists, factor: float, shift: float
) -> None:
    train, val, lrs = lists
    flat = [v for channel in (train, val) for p in channel for v in p]
    scale = max(np.abs(flat).max(), 1e-12)
    deviations = [np.std([v for p in channel for v in p]) for channel in (train, val) if any(channel)]
    # Below the floor the z-score is not invariant, and near it the shift's rounding would show.
    assume(all(d == 0 or min(d, factor * d) > max(1e3 * STD_FLOOR, 1e-6 * scale) for d in deviations))
    changed = [[[factor * v + shift * scale for v in p] for p in channel] for channel in (train, val)]
    np.testing.assert_allclose(
        arc.featurise(periods((changed[0], changed[1], lrs))), arc.featurise(periods(lists)), atol=1e-4
    )


@many
@given(histories(), st.floats(1e-6, 1e6))
def test_scaling_all_lrs_changes_nothing(lists: Lists, factor: float) -> None:
    train, val, lrs = lists
    scaled = [[factor * v for v in p] for p in lrs]
    np.testing.assert_allclose(
        arc.featurise(periods((train, val, scaled))), arc.featurise(periods(lists)), rtol=1e-6
    )


@many
@given(histories())
def test_what_lies_before_the_window_is_padding(lists: Lists) -> None:
    window = arc.featurise(periods(lists))
    before = window[: 300 - 100 * len(lists[0])]
    assert (before == [0.0, 0.0, 1.0]).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -1e6, 1 / 3])
def test_equal_losses_are_exactly_zero(value: float) -> None:
    for steps in (1, 7, 99, 100, 101, 12_345):
        window = arc.featurise([arc.Period(train_loss=[value] * steps, val_loss=[value] * 7, lr=0.1)])
        assert (window[:, :2] == 0).all()


def test_a_loss_of_zero_is_a_loss() -> None:
    with_zero = arc.featurise([arc.Period(train_loss=[1.0, 0.0], val_loss=[0.0, 1.0], lr=1.0)])
    assert with_zero[200, 1] == -1 and with_zero[299, 1] == 1
    assert with_zero[200, 0] > 0 > with_zero[299, 0]


def test_values_that_squares_would_overflow_are_scored() -> None:
    window = arc.featurise([arc.Period(train_loss=[1e300, -1e300], val_loss=[1e200, 0.0], lr=1.0)])
    assert np.isfinite(window).all() and window[200, 1] == 1 and window[299, 1] == -1


def test_arrays_lists_and_scalars_are_alike() -> None:
    lists = arc.Period(train_loss=[1.0, 2.0], val_loss=[3.0], lr=[0.5])
    arrays = arc.Period(train_loss=np.array([1, 2]), val_loss=np.float32(3.0), lr=np.float64(0.5))
    assert (arc.featurise([lists]) == arc.featurise([arrays])).all()


@pytest.mark.parametrize(
    "channel, value",
    [
        ("train_loss", []),
        ("train_loss", [1.0, float("nan")]),
        ("train_loss", [[1.0]]),
        ("val_loss", [float("inf")]),
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("lr", []),
    ],
)
def test_bad_values_are_refused(channel: str, value: Any) -> None:
    good = {"train_loss": [1.0], "val_loss": [1.0], "lr": 1.0}
    with pytest.raises(ValueError, match=channel):
        arc.Period(**{**good, channel: value})


@pytest.mark.parametrize("channel", ["train_loss", "val_loss", "lr"])
@pytest.mark.parametrize("value", ["1.0", [None], [True], [1j], object()])
def test_what_is_no_number_is_refused(channel: str, value: Any) -> None:
    good = {"train_loss": [1.0], "val_loss": [1.0], "lr": 1.0}
    with pytest.raises(TypeError, match=f"got {channel}="):
        arc.Period(**{**good, channel: value})


@pytest.mark.parametrize("count", [0, 4])
def test_a_window_has_one_to_three_periods(count: int) -> None:
    with pytest.raises(ValueError, match=f"got a history of {count} periods"):
        arc.featurise([arc.Period(train_loss=[1.0], lr=1.0)] * count)


def test_lrs_too_far_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="ratio below 1e30"):
        arc.featurise([arc.Period(train_loss=[1.0], lr=[1e-200, 1e200])])
