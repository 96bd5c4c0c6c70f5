"""The report's tables, each with the sentence that its own numbers allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.report.page import Block, Table, Text
from proxy_eval.report.summary import Line, title
from proxy_eval.scores import Reference


def main(lines: Sequence[Line], arc: str) -> list[Block]:
    """All methods over the grid of LR0s, best first."""
    header = [
        "method",
        "score (IQM)",
        "95 % interval",
        "after the last step",
        "at equal total cost",
        "mean regret",
        "at the worst LR0",
        "at ±2.5 decades",
        "at the default LR",
        "LR sensitivity",
        "diverged",
        "cost",
        "CPU time",
        "cosine trials to equal it",
    ]
    rows = [
        [
            line.title + ("" if line.there >= line.asked else f" ({line.there} of {line.asked} runs)"),
            _number(line.iqm),
            f"{_number(line.low)} to {_number(line.high)}",
            _number(line.last),
            _number(line.within),
            _number(line.regret),
            _number(line.worst),
            _number(line.stress) if line.needs_lr0 else "no LR0",
            _number(line.default) if line.needs_lr0 else "no LR0",
            _number(line.sensitivity) if line.needs_lr0 else "no LR0",
            _percent(line.diverged),
            f"{line.cost:.2f}",
            f"{line.cpu:.2f}",
            _trials(line.trials),
        ]
        for line in lines
    ]
    strong = frozenset(i for i, line in enumerate(lines) if line.label == arc)
    return [Table(header, rows, strong), Text(_main_sentence(lines, arc))]


def _main_sentence(lines: Sequence[Line], arc: str) -> str:
    ours = next((line for line in lines if line.label == arc), None)
    top = lines[0]
    said = [f"Best over the grid: {top.title}, {_number(top.iqm)}."]
    if ours is None:
        return " ".join([*said, f"No runs of `{arc}` are there."])
    lines = _better_rows(lines)
    place = [line.label for line in lines].index(arc) + 1
    said.append(
        f"{ours.title} is number {place} of {len(lines)} with {_number(ours.iqm)} ({_number(ours.low)} to "
        f"{_number(ours.high)}), {_number(ours.within)} at equal total cost and {_number(ours.last)} after "
        "the last step."
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
            names = _listed([line.title for line in with_lr0], most=4)
            said.append(f"Lower in {name} among the methods with an LR0: {names}.")
        else:
            said.append(f"No method with an LR0 has a lower {name}.")
    searched = [line for line in lines if not line.needs_lr0 and line.iqm > ours.iqm]
    if searched:
        said.append(f"Ahead of it without any LR0: {_listed([line.title for line in searched])}.")
    said.append(f"To be worth as much, cosine needs {_trials(ours.trials)} random LR0 trials.")
    return " ".join(said)


def _better_rows(lines: Sequence[Line]) -> list[Line]:
    """A method that was tried in two forms (scaled, sane bounds) counts once, with the better one."""
    found: dict[str, Line] = {}
    for line in lines:  # best first
        found.setdefault(line.label.removesuffix("_scaled").removesuffix("_sane"), line)
    return list(found.values())


def _listed(titles: Sequence[str], most: int = 99) -> str:
    """Titles hold commas themselves."""
    return "; ".join(titles[:most]) + (f"; and {len(titles) - most} more" if len(titles) > most else "")


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
            [title(label), f"{chance:.2f}", f"{low:.2f} to {high:.2f}", f"{gain:+.3f}", _p(corrected[label])]
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
            f"loses to {len(losses)}{f' ({_listed(losses)})' if losses else ''}, and {undecided} are undecided. "
            f"After Holm's correction {sum(p < 0.05 for p in corrected.values())} differences stand at 5 %."
        ),
    ]


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
                *(_number(float(means.get((task, label), math.nan))) for label in there),
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


def horizons(all_rows: Mapping[float, pd.DataFrame]) -> list[Block]:
    """Mean scores at other lengths, at the LR0s and for the methods that all lengths share."""
    lengths = sorted(all_rows)
    if len(lengths) < 2:
        return [Text("Only one horizon has been run so far.")]
    cells = [
        set(zip(r["label"], r["task"], r["decade"].fillna(99.0), strict=True)) for r in all_rows.values()
    ]
    shared = set.intersection(*cells)
    if not shared:
        return [Text("The horizons share no cell so far.")]
    means: dict[float, pd.Series] = {}
    for length in lengths:
        rows = all_rows[length]
        key = pd.Series(
            list(zip(rows["label"], rows["task"], rows["decade"].fillna(99.0), strict=True)), rows.index
        )
        mine = rows[key.isin(shared)]
        means[length] = mine.groupby(["label", "task"])["best"].mean().groupby("label").mean()
    labels = sorted(means[lengths[0]].index, key=lambda label: -means[lengths[-1]][label])
    table = Table(
        ["method", *(f"{length:g} x" for length in lengths)],
        [[title(label), *(_number(float(means[length][label])) for length in lengths)] for label in labels],
    )
    best = [f"{title(str(means[n].idxmax()))} at {n:g} x" for n in lengths]
    decades = sorted({d for _, _, d in shared if d != 99.0})
    return [
        table,
        Text(
            f"Mean scores over the tasks at LR0s {', '.join(f'{d:+g}' for d in decades)} decades from the "
            f"middle of the grid, each length measured with its own oracle. Best: {', '.join(best)}."
        ),
    ]


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
                _lr(r["lr0"]),
                str(r["seed"]),
                str(len(r["lr"])),
                _cell(r["failure"]),
            ]
            for _, r in raised.iterrows()
        ],
    )
    return [table, Text(f"{len(raised)} of {len(rows)} runs; each counts as a score of 0.")]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")[:160]


def _lr(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.2g}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"


def _trials(value: float) -> str:
    return "-" if math.isnan(value) else "over 64" if math.isinf(value) else f"{value:.0f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
