"""One method against each other one, run by run."""

from __future__ import annotations

import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.report.cells import listed, p_value, span
from proxy_eval.report.page import Block, Table, Text
from proxy_eval.report.summary import title


def against(rows: pd.DataFrame, arc: str, decades: list[float], *, seed: int, resamples: int) -> list[Block]:
    """Paired probability that ARC beats each method, with Holm's correction over all of them."""
    if arc not in set(rows["label"]):
        return [Text(f"No runs of `{arc}` are there, so nothing is compared with it.")]
    ours = scores.array(rows, arc, "best", decades=decades)
    found = []
    for label in sorted(set(rows["label"]) - {arc}):
        theirs = scores.array(rows, label, "best", decades=decades)
        low, high = stats.interval(stats.improvement, ours, theirs, seed=seed, resamples=resamples)
        chance = float(stats.improvement(ours, theirs))
        gain = float(stats.mean(ours - theirs, (0, 1, 2)))
        found.append((label, chance, low, high, gain, stats.signed_rank(ours, theirs)))
    corrected = stats.holm({label: p for label, *_, p in found})
    found.sort(key=lambda row: -row[1])
    table = Table(
        ["method", f"P({title(arc)} better)", "95 % interval", "mean gain in score", "p (Holm)"],
        [
            [
                title(label),
                f"{chance:.2f}",
                span(low, high, 2),
                f"{gain:+.3f}",
                p_value(corrected[label]),
            ]
            for label, chance, low, high, gain, _ in found
        ],
    )
    wins = [title(label) for label, _, low, *_ in found if low > 0.5]
    losses = [title(label) for label, _, _, high, *_ in found if high < 0.5]
    undecided = len(found) - len(wins) - len(losses)
    return [
        table,
        Text(
            f"{title(arc)} beats {len(wins)} of {len(found)} methods with an interval above one half, "
            f"loses to {len(losses)}{f' ({listed(losses)})' if losses else ''}; {undecided} are undecided. "
            f"After Holm's correction {sum(p < 0.05 for p in corrected.values())} differences stand at 5 %."
        ),
    ]
