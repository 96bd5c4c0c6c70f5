"""The report's tables, each with the sentence that its own numbers allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from proxy_eval import scores
from proxy_eval.report.cells import (
    SEEDS_ONLY,
    TASKS_AND_SEEDS,
    cell,
    listed,
    lr0,
    number,
    percent,
    ratio,
    span,
    trials,
)
from proxy_eval.report.page import Block, Fold, Items, Table, Text
from proxy_eval.report.summary import Line, title
from proxy_eval.scores import Reference

MAIN = (
    "method",
    "score (IQM) ↑",
    TASKS_AND_SEEDS,
    "regret at ±2.5 decades ↓",
    "regret at the default LR ↓",
    "cost ↓",
)
REST = (
    "method",
    f"score: {SEEDS_ONLY}",
    "score after the last step ↑",
    "score at equal total cost ↑",
    "mean regret ↓",
    "regret at the worst LR0 ↓",
    "LR sensitivity ↓",
    "diverged ↓",
    "CPU time ↓",
    "cosine trials to equal it ↑",
)


def main(lines: Sequence[Line], arc: str) -> list[Block]:
    """All methods over the grid of LR0s, best first: what chooses one, and the rest of the numbers folded."""

    def told(line: Line, value: float) -> str:
        return number(value) if line.needs_lr0 else "no LR0"

    first = [
        [
            line.title + ("" if line.there >= line.asked else f" ({line.there} of {line.asked} runs)"),
            number(line.iqm.value),
            span(line.iqm.low, line.iqm.high),
            told(line, line.stress),
            told(line, line.default),
            ratio(line.cost),
        ]
        for line in lines
    ]
    rest = [
        [
            line.title,
            span(line.iqm.seeds_low, line.iqm.seeds_high),
            number(line.last),
            number(line.within),
            number(line.regret),
            number(line.worst),
            told(line, line.sensitivity),
            percent(line.diverged),
            ratio(line.cpu),
            trials(line.trials),
        ]
        for line in lines
    ]
    strong = frozenset(i for i, line in enumerate(lines) if line.label == arc)
    return [
        Table(MAIN, first, strong),
        Fold("The rest of the numbers", [Table(REST, rest, strong)]),
        Items(_main_sentences(lines, arc)),
    ]


def _main_sentences(lines: Sequence[Line], arc: str) -> list[str]:
    ours = next((line for line in lines if line.label == arc), None)
    top = lines[0]
    said = [f"Best over the grid: {top.title}, {number(top.iqm.value)}."]
    if ours is None:
        return [*said, f"No runs of `{arc}` are there."]
    lines = _better_rows(lines)
    place = [line.label for line in lines].index(arc) + 1
    said.append(
        f"{ours.title} is number {place} of {len(lines)} with {number(ours.iqm.value)} (95 % interval, "
        f"tasks and seeds redrawn: {span(ours.iqm.low, ours.iqm.high)}; seeds only: "
        f"{span(ours.iqm.seeds_low, ours.iqm.seeds_high)}), {number(ours.within)} at equal total cost and "
        f"{number(ours.last)} after the last step."
    )
    worse = [
        (name, [line for line in lines if getattr(line, key) < getattr(ours, key)])
        for name, key in (
            ("mean regret", "regret"),
            ("regret at the worst LR0", "worst"),
            ("regret at ±2.5 decades", "stress"),
            ("regret at the default LR", "default"),
            ("LR sensitivity", "sensitivity"),
            ("divergence", "diverged"),
        )
    ]
    for name, better in worse:
        with_lr0 = [line for line in better if line.needs_lr0]
        if with_lr0:
            names = listed([line.title for line in with_lr0], most=4)
            said.append(f"Lower in {name} among the methods with an LR0: {names}.")
        else:
            said.append(f"No method with an LR0 has a lower {name}.")
    searched = [line for line in lines if not line.needs_lr0 and line.iqm.value > ours.iqm.value]
    if searched:
        said.append(f"Ahead of it without any LR0: {listed([line.title for line in searched])}.")
    said.append(f"To be worth as much, cosine needs {trials(ours.trials)} random LR0 trials.")
    return said


def _better_rows(lines: Sequence[Line]) -> list[Line]:
    """A method that was tried in two forms (scaled, sane bounds) counts once, with the better one."""
    found: dict[str, Line] = {}
    for line in lines:  # best first
        found.setdefault(line.label.removesuffix("_scaled").removesuffix("_sane"), line)
    return list(found.values())


def by_task(
    rows: pd.DataFrame, found: Mapping[str, Reference], chosen: Sequence[str], arc: str
) -> list[Block]:
    """Mean score over the grid per task, of the highlighted methods."""
    tasks = sorted(found)
    inner = rows[rows["decade"].isna() | rows["decade"].abs().le(scores.CORE)]
    means = inner.groupby(["task", "label"])["best"].mean()
    there = [label for label in chosen if label in set(rows["label"])]
    table = Table(
        ["task", "optimizer", "oracle LR0", "untrained", "oracle", *(title(label) for label in there)],
        [
            [
                task,
                str(rows[rows["task"] == task]["optimizer"].iloc[0]),
                f"{found[task].lr0:.2g}",
                f"{found[task].untrained:.3g}",
                f"{found[task].oracle['best']:.3g}",
                *(number(float(means.get((task, label), math.nan))) for label in there),
            ]
            for task in tasks
        ],
    )
    if arc not in there:
        return [table]
    by_label = means.unstack("task").reindex(there)
    leader = {str(task): str(by_label[task].idxmax()) for task in by_label}
    ahead = [f"{task} ({title(best)})" for task, best in leader.items() if best != arc]
    said = f"{title(arc)} is the best of these on {len(leader) - len(ahead)} of {len(leader)} tasks"
    return [table, Text(f"{said}; ahead of it on the others: {', '.join(ahead)}." if ahead else f"{said}.")]


def failures(rows: pd.DataFrame) -> list[Block]:
    """Every run whose method raised."""
    raised = rows[rows["failure"].notna()].sort_values(["label", "task", "lr0", "seed"])
    if raised.empty:
        return [Text("No method raised an error in any run.")]
    table = Table(
        ["method", "task", "LR0", "seed", "epoch", "what it said"],
        [
            [
                title(r["label"]),
                r["task"],
                lr0(r["lr0"]),
                str(r["seed"]),
                str(len(r["lr"])),
                cell(r["failure"]),
            ]
            for _, r in raised.iterrows()
        ],
    )
    return [table, Text(f"{len(raised)} of {len(rows)} runs; each counts as a score of 0.")]
