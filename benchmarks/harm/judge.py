"""What the runs say: whether a kind held, and the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

MEDIAN = 0.01
"""Largest paired median of the relative difference to the same run with ``rollback=False``."""
DEVIATIONS = 3.0
"""No run may be worse than that by more than so many of the kind's deviations over seeds."""


@dataclass(frozen=True)
class Verdict:
    """One kind.

    Attributes:
        runs: seeds that both arms have.
        initial, restored, floor: runs in which the initial state or any state came back, or the LR reached
            its floor.
        median: paired median of (recommended - guards only) / guards only.
        worst: largest (recommended - guards only) in deviations over seeds of the runs of "guards only".
        cost: paired median of (recommended - none) / none: for orientation, not judged.
    """

    kind: str
    runs: int
    initial: int
    restored: int
    floor: int
    median: float
    worst: float
    cost: float

    @property
    def held(self) -> bool:
        """Whether nothing that is judged went wrong."""
        return not self.initial and not self.floor and self.median <= MEDIAN and self.worst <= DEVIATIONS


def verdicts(runs: pd.DataFrame) -> list[Verdict]:
    """One verdict for each kind whose arms are there."""
    found = []
    for kind, rows in runs.groupby("kind", sort=True):
        values = rows.pivot(index="seed", columns="arm", values="value").dropna()
        if "recommended" not in values or not len(values):
            continue
        on, off, none = (values[arm].to_numpy() for arm in ("recommended", "guards only", "none"))
        mine = rows[rows["arm"] == "recommended"]
        spread = max(
            float(np.std(off, ddof=1)) if len(off) > 1 else 0.0, 1e-3 * float(np.median(np.abs(off)))
        )
        with np.errstate(invalid="ignore"):
            found.append(
                Verdict(
                    kind=str(kind),
                    runs=len(values),
                    initial=int((mine["initial"] > 0).sum()),
                    restored=int((mine["restored"] > 0).sum()),
                    floor=int(rows[rows["arm"] != "none"]["floor"].sum()),
                    median=float(np.median((on - off) / np.abs(off))),
                    worst=float(np.max((on - off) / spread)),
                    cost=float(np.median((on - none) / np.abs(none))),
                )
            )
    return found


def table(found: list[Verdict]) -> str:
    """Markdown."""
    lines = [
        "| kind | runs | initial | any state | LR at floor | median | worst, deviations | v none | held |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {v.kind} | {v.runs} | {v.initial} | {v.restored} | {v.floor} | {v.median:+.1%} | {v.worst:.1f} | "
        f"{v.cost:+.1%} | {'yes' if v.held else '**no**'} |"
        for v in found
    ]
    held, runs = sum(v.held for v in found), sum(v.runs for v in found)
    bad = sum(v.initial for v in found), sum(v.restored for v in found), sum(v.floor for v in found)
    lines.append(
        f"\n{held} of {len(found)} kinds held; of {runs} runs {bad[0]} went back to the initial state, "
        f"{bad[1]} to any, and in {bad[2]} the LR reached its floor."
    )
    return "\n".join(lines)
