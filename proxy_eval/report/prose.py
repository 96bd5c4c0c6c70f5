"""The report's sentences that no table makes: how the numbers came about, and how to read the figures."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from proxy_eval.report.page import Block, Heading, Items, Text
from proxy_eval.report.rows import Found

OUT = re.compile(r" out=\S+")
"""Where somebody's runs lay says nothing to others."""

SCORES = (
    "Scores are those of the checkpoint with the lowest validation loss, on test data: 0 is the untrained "
    "model, 1 the oracle, which is cosine at the LR0 that was best on other seeds; a run that is worse "
    "than untrained, diverged or failed counts as 0. IQM is the interquartile mean: the mean of the "
    "middle half of the scores, which a few extreme runs do not move. {count} LR0s, {low:+g} to {high:+g} "
    "decades from the task's best LR. Regret is 1 minus the score. LR sensitivity: the mean loss against "
    "the method's own best LR0. Cost counts forward passes, a backward pass as two, with searches, probes "
    "and one validation per epoch. Equal total cost stops every run where it has cost as much as a "
    "constant LR. CPU time is that of one thread, over a constant LR's."
)

WORKLOADS = (
    "A workload is a task from one LR0 ({workloads}); its target is 90 % of the oracle's gain in validation "
    "quality, its time the charged passes until then, the median over seeds. {first} solves the most, "
    "{part:.0%} within 4 times the fastest method's time."
)

MEDIAN_RUNS = (
    "Per task, the run of median score at three initial LRs. Triangles on {arc}'s loss: it raised (up) or "
    "lowered (down) the LR there; a bar: it kept it."
)


def scores(decades: Sequence[float]) -> Text:
    """What the main table's columns mean."""
    return Text(SCORES.format(count=len(decades), low=decades[0], high=decades[-1]))


def how_much(found: Found) -> Text:
    """What was run, where, and when this was written."""
    hours = found.rows["unit_seconds"].sum() / 3600
    return Text(
        f"{len(found.rows)} of {len(found.asked)} runs on {found.rows['task'].nunique()} tasks, "
        f"{hours:.2f} CPU-hours, on {'; '.join(found.machine)}. Written {datetime.date.today().isoformat()}."
    )


def how_made(found: Found, place: str) -> list[Block]:
    """By which commands and versions."""
    page = f"`python -m proxy_eval.report comparison={place}` (this page)"
    return [
        Heading("How it was made"),
        Items([*dict.fromkeys(f"`{OUT.sub('', command)}`" for command in found.commands), page]),
        Text(f"With {'; '.join(found.versions)}."),
    ]
