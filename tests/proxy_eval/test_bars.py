"""The table of bars, on scores whose outcome is plain."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from benchmarks import bars
from tests.proxy_eval.test_report import LR0S, on_two_tasks, row, scored, small


def comparison(**accuracy: Any) -> bars.Comparison:
    """The small comparison (0.2 is untrained, 0.8 the oracle) with these methods' accuracies at every LR0."""
    made = [row(m, lr, s, a) for m, a in accuracy.items() for s in (0, 1) for lr in LR0S.values()]
    rows = pd.concat([small(), pd.DataFrame(made)], ignore_index=True)
    return bars.Comparison(scored(on_two_tasks(rows)))


def found(bar: str, of: bars.Comparison) -> bars.Bar:
    (line,) = [line for line in bars.bars(of) if line.asked.startswith(bar)]
    return line


@pytest.mark.parametrize("ours, held", [(0.81, True), (0.79, True), (0.76, False)])
def test_any_lr0_needs_98_percent_of_the_oracle(ours: float, held: bool) -> None:
    of = comparison(arc_anneal_rollback=ours)
    assert found("from any LR0", of).held == held
    assert found("from any LR0", of).found.startswith(f"{(ours - 0.2) / 0.6:.3f}")


def test_the_worst_lr0_is_compared_with_the_best_rival() -> None:
    for ours, held in ((0.7, True), (0.55, False)):
        of = comparison(arc_anneal_rollback=ours, constant=0.6)
        lines = [b for b in bars.bars(of) if b.asked.startswith("best score at the worst LR0")]
        assert [b.held for b in lines] == [held, held] and "constant 0.67" in lines[0].found


def test_better_than_the_published_weights() -> None:
    assert found("better than the published", comparison(arc_paper=0.7, arc_published=0.6)).held
    level = found("better than the published", comparison(arc_paper=0.6, arc_published=0.6))
    assert not level.held and level.found.startswith("50%")


def test_divergence_is_listed() -> None:
    assert found("no divergence", comparison(arc_anneal_rollback=0.7)).held
    assert found("no divergence", comparison(arc_anneal_rollback=0.1)).found.startswith(
        "20 of 20 runs: t -2.5"
    )


def test_what_was_not_run_is_no_bar() -> None:
    assert list(bars.bars(comparison())) == []


def test_four_of_five_candidates_must_pass() -> None:
    for good, held in ((4, True), (3, False)):
        others = {f"arc_paper:{i}": 0.7 if i < good else 0.6 for i in range(1, 5)}
        line = found("four of five", comparison(arc_paper=0.7, arc_published=0.6, **others))
        assert line.held == held and line.found.startswith(f"{good} of 5")


def test_less_than_half_of_the_score_is_a_collapse() -> None:
    for first, held in ((0.7, True), (0.45, False)):
        of = comparison(arc_anneal_rollback=0.8, period_1=first, period_2=0.8, period_6=0.8)
        assert found("no collapse", of).held == held
