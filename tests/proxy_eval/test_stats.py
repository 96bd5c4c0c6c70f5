"""The comparison's statistics on cases small enough to check by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from proxy_eval import stats
from proxy_eval.report import summary


def column(*values: float) -> np.ndarray:
    """So many runs of one task at one LR0."""
    return np.array(values, dtype=float)[:, None, None]


def test_iqm_drops_a_quarter_at_either_end() -> None:
    assert stats.iqm(column(0, 1, 2, 3, 4, 5, 6, 100)) == pytest.approx(3.5)
    assert stats.iqm(column(7)) == 7


def test_iqm_of_what_is_there() -> None:
    assert stats.iqm(column(0, 1, math.nan, 2, 100)) == pytest.approx(1.5)
    assert math.isnan(float(stats.iqm(column(math.nan, math.nan))))


@given(arrays(float, (4, 3, 2), elements=st.floats(-5, 5)))
def test_iqm_is_scipys_trimmed_mean(scores: np.ndarray) -> None:
    from scipy.stats import trim_mean

    assert float(stats.iqm(scores)) == pytest.approx(trim_mean(scores.ravel(), 0.25), abs=1e-9)


def test_improvement_counts_pairs_and_weighs_tasks_alike() -> None:
    ours = np.array([[[1.0], [0.0]], [[1.0], [math.nan]]])  # two runs of the first task, one of the second
    theirs = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    assert stats.improvement(ours, theirs) == pytest.approx((0.75 + 0.0) / 2)
    assert stats.improvement(ours, theirs) + stats.improvement(theirs, ours) == pytest.approx(1)


def test_a_method_without_lr0_meets_all_lr0s_of_the_other() -> None:
    assert stats.improvement(column(0.5), np.array([[[0.1, 0.5, 0.9, 0.9]]])) == pytest.approx(0.375)


def test_interval_is_seeded_holds_the_value_and_shrinks_with_runs() -> None:
    generator = np.random.default_rng(0)
    many = generator.normal(size=(40, 3, 2))
    low, high = stats.interval(stats.iqm, many, seed=1)
    assert (low, high) == stats.interval(stats.iqm, many, seed=1)
    assert (low, high) != stats.interval(stats.iqm, many, seed=2)
    assert low < float(stats.iqm(many)) < high
    wide = stats.interval(stats.iqm, many[:5], seed=1)
    assert wide[1] - wide[0] > high - low


def test_seeds_alone_are_redrawn_within_tasks_and_pairs_are_kept() -> None:
    # tasks that differ by far: redrawn across tasks, their mean would scatter
    level = np.array([[[0.0], [100.0]], [[0.0], [100.0]]])
    assert stats.interval(stats.iqm, level, seed=0, redraw="seeds") == (50.0, 50.0)
    # always a bit better: only if the same run is drawn on both sides
    worse = np.random.default_rng(0).normal(size=(6, 2, 1))
    assert stats.estimate(stats.improvement, worse + 0.01, worse, seed=0) == (1.0, 1.0, 1.0, 1.0, 1.0)


def test_one_run_has_no_interval() -> None:
    assert all(map(math.isnan, stats.interval(stats.iqm, np.ones((1, 3, 2)), seed=0)))


def test_one_task_has_no_interval_with_tasks_redrawn() -> None:
    one = np.array([[[1.0]], [[2.0]]])
    found = stats.estimate(stats.iqm, one, seed=0)
    assert found.value == 1.5 and math.isnan(found.low) and math.isnan(found.high)
    assert (found.seeds_low, found.seeds_high) == (1.0, 2.0)


def test_tasks_redrawn_by_hand() -> None:
    # two tasks without noise: both, twice the lower and twice the upper one are drawn in 1/2, 1/4, 1/4
    two = np.array([[[0.0], [1.0]], [[0.0], [1.0]]])
    for level, expected in ((0.9, (0.0, 1.0)), (0.4, (0.5, 0.5))):
        assert stats.interval(stats.iqm, two, seed=0, level=level) == expected


def test_the_two_stages_scatter_as_theory_has_it() -> None:
    # variance of the mean: of the task means / tasks, and of the runs within / (runs x tasks)
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(5, 9, 1)) + 2 * generator.normal(size=(1, 9, 1))
    between = scores.mean(0).var() / 9
    within = scores.var(0).mean() / (5 * 9)
    low, high = stats.interval(lambda s: stats.mean(s, (-3, -2, -1)), scores, seed=0, resamples=20_000)
    assert (high - low) / (2 * 1.96) == pytest.approx(math.sqrt(between + within), rel=0.03)


def test_another_way_of_redrawing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got redraw='runs', need one of"):
        stats.interval(stats.iqm, np.ones((2, 2, 1)), seed=0, redraw="runs")  # type: ignore[arg-type]


def test_regret_weighs_tasks_alike() -> None:
    scores = np.array([[[1.0, 0.5], [0.0, math.nan]], [[1.0, 0.5], [math.nan, math.nan]]])
    assert stats.regret(scores) == pytest.approx(1 - (0.75 + 0.0) / 2)


def test_expected_best_is_the_mean_over_all_draws() -> None:
    scores, measures = np.array([0.2, 0.9, 0.5]), np.array([3.0, 2.0, 1.0])
    assert summary.expected_best(scores, measures, 1) == pytest.approx(scores.mean())
    pairs = [max((i, j), key=lambda k: measures[k]) for i in range(3) for j in range(3)]
    assert summary.expected_best(scores, measures, 2) == pytest.approx(np.mean([scores[k] for k in pairs]))


def test_a_run_without_a_measure_is_never_chosen_over_another() -> None:
    assert summary.expected_best([1.0, 0.0], [math.nan, 0.1], 50) == pytest.approx(0, abs=1e-6)


def test_trials_to_equal_by_hand() -> None:
    runs = [np.array([0.0, 1.0])]  # the best of k is worth 1 - 2^-k
    assert summary.trials_to_equal(0.5, runs, runs) == 1
    assert summary.trials_to_equal(0.87, runs, runs) == 3
    assert summary.trials_to_equal(1.1, runs, runs) == math.inf


def test_profile_by_hand() -> None:
    times = {"a": np.array([1.0, 4.0, math.inf]), "b": np.array([2.0, 2.0, math.inf])}
    read = stats.profile(times, [1, 2, 4])
    third = pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert list(read["a"]) == third and list(read["b"]) == third
