"""How often what is called a 95 % interval holds the truth, where the truth is known.

Nine tasks, five runs each, as in the comparison. Scores are 1 + effect of the task + noise of the seed, and
the truth is the statistic over infinitely many tasks: what a reader takes the interval to be about.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from proxy_eval import stats

TASKS, RUNS = 9, 5
TIMES, RESAMPLES = 200, 200
MOST = 3 * sqrt(0.95 * 0.05 / TIMES)
"""Three standard errors of a coverage of 95 %, seen so many times."""


def coverage(
    statistic: Callable[..., stats.Array], truth: float, effect: float, redraw: stats.Redraw
) -> float:
    """The part of simulated comparisons whose interval holds the truth; seed noise has deviation 1."""
    generator = np.random.default_rng(0)
    held = 0
    for i in range(TIMES):
        level = effect * generator.normal(size=(1, TASKS, 1))
        scores = 1 + level + generator.normal(size=(RUNS, TASKS, 1))
        low, high = stats.interval(statistic, scores, seed=i, resamples=RESAMPLES, redraw=redraw)
        held += low <= truth <= high
    return held / TIMES


def mean(scores: stats.Array) -> stats.Array:
    return stats.mean(scores, (-3, -2, -1))


def better(scores: stats.Array) -> stats.Array:
    """P(better) of scores that are differences to a rival: the same as of the two apart."""
    return stats.improvement(scores, np.zeros_like(scores))


def seeds_only(effect: float) -> float:
    """The coverage that theory gives a normal interval of the mean from the scatter of seeds alone."""
    seen, true = sqrt(1 / (RUNS * TASKS)), sqrt(1 / (RUNS * TASKS) + effect**2 / TASKS)
    return float(2 * norm.cdf(1.96 * seen / true) - 1)


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_with_tasks_and_seeds_redrawn_the_mean_is_covered_nearly_as_printed(effect: float) -> None:
    found = coverage(mean, 1.0, effect, "tasks and seeds")
    assert 0.88 <= found <= 0.95 + MOST


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_with_seeds_redrawn_only_it_is_not(effect: float) -> None:
    found = coverage(mean, 1.0, effect, "seeds")
    assert found == pytest.approx(seeds_only(effect), abs=0.1)
    assert found < 0.8


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_p_better_is_covered_nearly_as_printed(effect: float) -> None:
    truth = float(norm.cdf(1 / sqrt(1 + effect**2)))
    assert 0.86 <= coverage(better, truth, effect, "tasks and seeds") <= 0.95 + MOST
    assert coverage(better, truth, effect, "seeds") < 0.85


def test_without_effects_of_tasks_the_intervals_are_too_wide_rather_than_too_narrow() -> None:
    assert coverage(mean, 1.0, 0.0, "tasks and seeds") >= 0.95
    assert coverage(mean, 1.0, 0.0, "seeds") >= 0.85
