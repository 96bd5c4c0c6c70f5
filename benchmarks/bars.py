"""The project's bars for the shipped controller, from a comparison: ``python -m benchmarks.bars DIRECTORY``.

Each line is a bar, what was found, and whether it is held; intervals are 95 % bootstrap intervals with tasks
and seeds redrawn, which decide, and beside them with seeds redrawn only. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.scored import Comparison, below, mean, span, within_task, worst
from proxy_eval import stats
from proxy_eval.report.rows import load
from proxy_eval.report.stage import of_horizon, whole_seeds
from proxy_eval.report.summary import title
from proxy_eval.stats import Array

SHIPPED = "arc_anneal_rollback"
"""ARC as the README recommends it."""
WITHOUT_LR0 = "arc_auto_anneal_rollback"
PAIRS = {"the paper's": ("arc_paper", "arc_published"), "the default": ("arc", "arc_default_published")}
"""Our weights and the published ones under the same policy."""
RIVALS = {
    "constant": ["constant"],
    "cosine": ["cosine"],
    "cyclic cosine": ["cyclic_cosine"],
    "exponential": ["exponential"],
    "plateau": ["plateau"],
    "GreedyLR": ["greedy", "greedy_sane"],
    "AutoLRS": ["autolrs", "autolrs_scaled"],
    "AutoLR": ["autolr", "autolr_scaled"],
    "AutoDrop": ["autodrop", "autodrop_scaled"],
    "SLS": ["line_search"],
    "Schedule-Free": ["schedule_free"],
    "Prodigy": ["prodigy", "prodigy_cosine"],
    "D-Adaptation": ["d_adaptation"],
}
"""Each at the better of its rows."""
PERIODS = {"1": "period_1", "2": "period_2", "3": SHIPPED, "6": "period_6"}
"""ARC as recommended, deciding every so many epochs."""
COLLAPSE = 0.5
"""A task collapses at a period where its mean score is below this share of that at the recommended one."""
CLEARLY = 0.02
"""A task is clearly worse where the mean score is lower by this much and the interval is below 0."""


class Bar(NamedTuple):
    """A line of the table."""

    asked: str
    found: str
    held: bool


def improvement(found: Comparison, policy: str, ours: str, theirs: str) -> Bar:
    """Our weights against the published ones, and the tasks in which they are clearly worse."""
    asked = f"better than the published weights, {policy} policy: 60 %, interval above 50 %, no task worse"
    x, y = found.array(ours, found.core), found.array(theirs, found.core)
    chance = stats.estimate(stats.improvement, x, y, seed=0)
    worse = []
    for i, task in enumerate(found.tasks):
        difference = (x - y)[:, i : i + 1]
        mean = float(np.nanmean(difference))
        if mean < -CLEARLY and within_task(difference) < 0:
            worse.append(f"{task} {mean:+.2f}")
    spans = (
        f"[{chance.low:.0%}, {chance.high:.0%}], seeds only [{chance.seeds_low:.0%}, {chance.seeds_high:.0%}]"
    )
    said = f"{chance.value:.0%} {spans}; clearly worse: {', '.join(worse) or 'none'}"
    return Bar(asked, said, chance.value >= 0.6 and chance.low > 0.5 and not worse)


def candidates(found: Comparison, policy: str, shipped: Bar, others: list[str], theirs: str) -> Bar:
    """The shipped candidate and others of its recipe, each against the first bar."""
    labels = ["shipped", *others]
    each = [shipped, *(improvement(found, policy, label, theirs) for label in others)]
    held = sum(bar.held for bar in each)
    said = "; ".join(f"{label}: {bar.found}" for label, bar in zip(labels, each, strict=True))
    asked = f"four of five candidates of the recipe pass that bar, {policy} policy"
    return Bar(asked, f"{held} of {len(each)}. {said}", held >= 4)


def periods(found: Comparison) -> Bar:
    """No collapse where decisions are denser or rarer than in training."""
    scored = {period: found.array(label, found.core) for period, label in PERIODS.items()}
    said = ", ".join(f"{period}: {mean(x):.3f} {span(mean, x, 3)}" for period, x in scored.items())
    usual = np.nanmean(scored["3"], (0, 2))
    collapsed = [
        f"{task} at {period} ({there:.2f})"
        for period, x in scored.items()
        for task, there, here in zip(found.tasks, np.nanmean(x, (0, 2)), usual, strict=True)
        if there < COLLAPSE * here
    ]
    listed = ", ".join(collapsed) or "none"
    asked = "no collapse at a period of 1, 2, 3 or 6 in any task"
    return Bar(asked, f"{said}; collapsed: {listed}", not collapsed)


def worst_lr0(found: Comparison, view: str, words: str) -> Bar:
    """The mean over tasks of the score at the worst LR0, against the best rival's."""
    asked = f"best score at the worst LR0 (mean over tasks), clear of the runner-up, {words}"
    arrays: dict[str, Array] = {}
    for name, labels in RIVALS.items():
        rows = [found.array(label, found.core, view) for label in labels if label in found.labels]
        if rows:
            arrays[name] = max(rows, key=lambda row: float(worst(row)))
    ranked = sorted(arrays, key=lambda name: -float(worst(arrays[name])))
    x = found.array(SHIPPED, found.core, view)
    said = [f"ARC {worst(x):.2f} {span(worst, x)}"]
    for name in ranked[:2]:
        y = arrays[name]
        need = "" if y.shape[-1] > 1 else ", no LR0"
        said.append(f"{name} {worst(y):.2f} {span(worst, y)}{need}")
    low, _ = stats.interval(lambda a, b: worst(a) - worst(b), x, arrays[ranked[0]], seed=0)
    return Bar(asked, "; ".join(said), low > 0)


def without_lr0(found: Comparison) -> Bar:
    """No LR given, against the oracle."""
    asked = "no LR given, annealed: 99 % of the oracle, lower end included"
    x = found.array(WITHOUT_LR0, found.core)
    low, _ = stats.interval(mean, x, seed=0)
    return Bar(asked, f"{mean(x):.3f} {span(mean, x, 3)}{below(found, x, 0.95)}", low >= 0.99)


def any_lr0(found: Comparison) -> Bar:
    """From any LR0 of the grid."""
    asked = "from any LR0 of the grid: 95 % in every task, 98 % on average"
    x = found.array(SHIPPED, found.core)
    held = bool(mean(x) >= 0.98 and np.nanmean(x, (0, 2)).min() >= 0.95)
    return Bar(asked, f"{mean(x):.3f} {span(mean, x, 3)}{below(found, x, 0.95)}", held)


def stress(found: Comparison) -> Bar:
    """Far outside the grid."""
    asked = "at the two stress LR0s: 90 % on average"
    x = found.array(SHIPPED, found.stress)
    each = ", ".join(f"{d:+g}: {np.nanmean(x[..., i]):.3f}" for i, d in enumerate(found.stress))
    return Bar(asked, f"{mean(x):.3f} ({each}){below(found, x, 0.9)}", bool(mean(x) >= 0.9))


def divergence(found: Comparison) -> Bar:
    """Runs that ended below the untrained model, or not finite."""
    mine = found.rows[found.rows["label"] == SHIPPED]
    bad = mine[mine["bad"]]
    listed = ", ".join(f"{r.task} {r.decade:+g} seed {r.seed}" for r in bad.itertuples())
    said = f"{len(bad)} of {len(mine)} runs{': ' + listed if listed else ''}"
    return Bar("no divergence with guards on", said, bad.empty)


def bars(found: Comparison) -> Iterator[Bar]:
    """All bars whose methods were run."""
    for policy, (ours, theirs) in PAIRS.items():
        if {ours, theirs} <= found.labels:
            shipped = improvement(found, policy, ours, theirs)
            yield shipped
            if others := sorted(label for label in found.labels if label.startswith(f"{ours}:")):
                yield candidates(found, policy, shipped, others, theirs)
    if set(PERIODS.values()) <= found.labels:
        yield periods(found)
    if WITHOUT_LR0 in found.labels:
        yield without_lr0(found)
    if SHIPPED in found.labels:
        yield worst_lr0(found, "best", "equal steps")
        yield worst_lr0(found, "best_within", "equal total cost")
        yield from (any_lr0(found), stress(found), divergence(found))


def main(argv: list[str] | None = None) -> int:
    """The table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("comparison", help="directory of python -m proxy_eval.compare")
    parser.add_argument("--horizon", type=float, default=1.0)
    args = parser.parse_args(argv)
    rows = whole_seeds(load(args.comparison)).rows
    found = Comparison(of_horizon(rows, args.horizon))
    table = list(bars(found))
    print(f"{found.rows['seed'].nunique()} seeds; ARC: {title(SHIPPED)}.\n")
    print("| bar | found | held |\n|---|---|---|")
    for bar in table:
        print(f"| {bar.asked} | {bar.found} | {'yes' if bar.held else 'no'} |")
    return 0 if all(bar.held for bar in table) else 1


if __name__ == "__main__":
    sys.exit(main())
