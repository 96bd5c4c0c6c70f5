"""The stage: from the runs of a comparison to ``comparison.md``, ``comparison.html`` and their figures."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from proxy_eval import scores, stats
from proxy_eval.plan import ORACLE
from proxy_eval.report import curves, figures, horizons, paired, prose, tables
from proxy_eval.report.medians import medians
from proxy_eval.report.page import Block, Figure, Heading, Table, Text, html_page, markdown
from proxy_eval.report.rows import Found, load
from proxy_eval.report.summary import lines, title
from tasks.errors import InputError
from tasks.work import folders, places

NAME = "comparison"


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Keys of ``configs/proxy_eval.report.yaml``, where each is explained."""

    comparison: str
    out: str
    arc: str
    highlight: list[str]
    horizon: float
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        if len(self.highlight) > len(figures.STYLES):
            raise InputError(f"got {len(self.highlight)} methods to highlight, need at most 7")
        if self.resamples < 1:
            raise InputError(f"got resamples={self.resamples}, need an integer >= 1")


def report(config: ReportConfig) -> int:
    """Write the report; the exit code."""
    everything = load(config.comparison)
    found = whole_seeds(everything)
    made = prose.how_made(found, config.comparison)
    with folders.written(config.out, f"{NAME}.html") as out:
        (out / NAME).mkdir(parents=True, exist_ok=True)
        blocks = assemble(found, config, out) + made + missing(everything, found)
        (out / f"{NAME}.md").write_text(markdown(blocks))
        (out / f"{NAME}.html").write_text(html_page(blocks, out))
    where = places.join(config.out, f"{NAME}.md")
    print(f"{len(found.rows)} of {len(found.asked)} runs, written to {where} and .html", file=sys.stderr)
    return 0


def assemble(found: Found, config: ReportConfig, out: Path) -> list[Block]:
    """All blocks; draws the figures on the way."""
    by_horizon = {float(h): of_horizon(found.rows, float(h)) for h in found.rows["horizon"].unique()}
    if config.horizon not in by_horizon:
        raise InputError(f"no runs of horizon {config.horizon:g}, only of {', '.join(map(str, by_horizon))}")
    mine = found.rows[found.rows["horizon"] == config.horizon]
    references = scores.references(mine)
    blocks: list[Block] = [
        Heading("The comparison: every method on the same work", 1),
        prose.how_much(found),
    ]
    if not references:
        said = Text("There are no oracle's runs (cosine on selection_seeds), so nothing is scored.")
        return [*blocks, said, *medians(mine)]
    rows = by_horizon[config.horizon]
    asked = found.asked[
        (found.asked["horizon"] == config.horizon) & found.asked["task"].isin(list(references))
    ]
    decades = scores.core(rows)
    summary = lines(rows, asked, decades=decades, seed=config.seed, resamples=config.resamples)
    highlight = [label for label in config.highlight if label in set(rows["label"])]

    def image(name: str) -> tuple[str, Path]:
        return f"{NAME}/{name}.png", out / NAME / f"{name}.png"

    at, path = image("score_by_lr0")
    figures.score_by_lr0(rows, highlight, path)
    blocks += [
        Heading("How wrong may my LR be?"),
        Figure(at, "Score against the initial LR, one line per method"),
        Heading("All methods"),
        *tables.main(summary, config.arc),
        prose.scores(decades),
        Heading(f"{title(config.arc)} against each, run by run"),
        *paired.against(rows, config.arc, decades, seed=config.seed, resamples=config.resamples),
        Heading("Task by task"),
        *tables.by_task(rows, references, highlight, config.arc),
    ]
    at, path = image("cost_and_quality")
    figures.cost_and_quality(summary, highlight, path)
    blocks += [Heading("What it costs"), Figure(at, "Score and cost of every method", wide=True)]
    blocks += _profile(rows, references, decades, highlight, image("time_to_target"))
    blocks += [Heading("Longer and shorter runs"), *horizons.horizons(by_horizon)]
    blocks += [
        Heading("Median runs"),
        Text(prose.MEDIAN_RUNS.format(arc=title(config.arc))),
    ]
    for task in sorted(references):
        at, path = image(f"curves_{task}")
        curves.curves(rows, task, highlight, config.arc, path)
        blocks += [
            Heading(task, 3),
            Figure(at, f"Validation loss and LR of median runs on {task}", wide=True),
        ]
    blocks += [Heading("Failures, one by one"), *tables.failures(mine[mine["label"] != ORACLE])]
    return blocks


def whole_seeds(found: Found) -> Found:
    """Without seeds that have only begun: their few cells would stand for the whole grid."""
    rows, asked = (
        t[t["label"] != ORACLE].groupby(["horizon", "seed"]).size() for t in (found.rows, found.asked)
    )
    part = rows / asked
    begun = part[part < 0.9 * part.groupby("horizon").transform("max")].index
    cells = pd.MultiIndex.from_frame(found.rows[["horizon", "seed"]])
    return replace(found, rows=found.rows[~cells.isin(begun)])


def of_horizon(rows: pd.DataFrame, horizon: float) -> pd.DataFrame:
    """The scored rows of one horizon."""
    mine = rows[rows["horizon"] == horizon]
    return scores.scored(mine, scores.references(mine))


def _profile(
    rows: pd.DataFrame,
    references: dict[str, scores.Reference],
    decades: list[float],
    highlight: list[str],
    place: tuple[str, Path],
) -> list[Block]:
    taken = figures.times(rows, references, decades)
    figures.time_to_target(taken, highlight, place[1])
    factors = np.array([1.0, 1.5, 2.0, 4.0])
    read = stats.profile(taken, factors)
    order = sorted(read, key=lambda label: (-read[label][-1], -read[label][0]))
    table = Table(
        ["method", *(f"within {f:g} x" for f in factors)],
        [[title(label), *(f"{part:.0%}" for part in read[label])] for label in order],
    )
    return [
        Heading("Time to target"),
        Figure(place[0], "Part of the workloads solved within a factor of the fastest method's time"),
        table,
        Text(
            prose.WORKLOADS.format(
                workloads=f"{len(references)} x {len(decades)}",
                first=title(order[0]),
                part=read[order[0]][-1],
            )
        ),
    ]


def missing(everything: Found, used: Found) -> list[Block]:
    """What was asked for and is not there, and what is there but not used yet."""
    there = set(everything.rows["run_id"])
    left = everything.asked[~everything.asked["run_id"].isin(there)]
    head = Heading("What is missing")
    if left.empty:
        return [head, Text("Nothing: every run that was asked for is there.")]
    seeds = sorted(set(everything.rows["seed"]) - set(used.rows["seed"]))
    said = f"{len(left)} of {len(everything.asked)} runs are missing; the numbers above are of what is there"
    said += f", without the seeds that have only begun ({', '.join(map(str, seeds))})." if seeds else "."
    rows = [
        [title(str(label)), f"{horizon:g}", str(len(mine)), str(mine["task"].nunique())]
        for (label, horizon), mine in left.groupby(["label", "horizon"])
    ]
    return [head, Text(said), Table(["method", "horizon", "runs missing", "on tasks"], rows)]
