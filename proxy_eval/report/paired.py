"""One method against each other one, run by run."""

from __future__ import annotations

import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.report.cells import SEEDS_ONLY, TASKS_AND_SEEDS, listed, span
from proxy_eval.report.page import Block, Table, Text
from proxy_eval.report.summary import title


def against(rows: pd.DataFrame, arc: str, decades: list[float], *, seed: int, resamples: int) -> list[Block]:
    """Paired probability that ARC beats each method, with tasks and seeds redrawn, and with seeds only."""
    if arc not in set(rows["label"]):
        return [Text(f"No runs of `{arc}` are there, so nothing is compared with it.")]
    ours = scores.array(rows, arc, "best", decades=decades)
    found: list[tuple[str, stats.Estimate, float]] = []
    for label in sorted(set(rows["label"]) - {arc}):
        theirs = scores.array(rows, label, "best", decades=decades)
        chance = stats.estimate(stats.improvement, ours, theirs, seed=seed, resamples=resamples)
        found.append((label, chance, float(stats.mean(ours - theirs, (0, 1, 2)))))
    found.sort(key=lambda row: -row[1].value)
    table = Table(
        ["method", f"P({title(arc)} better)", TASKS_AND_SEEDS, SEEDS_ONLY, "mean gain in score"],
        [
            [
                title(label),
                f"{chance.value:.2f}",
                span(chance.low, chance.high, 2),
                span(chance.seeds_low, chance.seeds_high, 2),
                f"{gain:+.3f}",
            ]
            for label, chance, gain in found
        ],
    )
    clear = _clear([(title(label), chance.low, chance.high) for label, chance, _ in found])
    seeds = _clear([(title(label), chance.seeds_low, chance.seeds_high) for label, chance, _ in found])
    return [
        table,
        Text(
            f"Methods that {title(arc)} beats with an interval above one half, tasks and seeds redrawn: "
            f"{clear}. With seeds redrawn only, which says nothing of other tasks: {seeds}."
        ),
    ]


def _clear(found: list[tuple[str, float, float]]) -> str:
    """How many intervals lie above one half, and which below."""
    wins = sum(low > 0.5 for _, low, _ in found)
    losses = [name for name, _, high in found if high < 0.5]
    named = f" ({listed(losses)})" if losses else ""
    undecided = len(found) - wins - len(losses)
    return f"{wins} of {len(found)}; it loses to {len(losses)}{named}, {undecided} are undecided"
