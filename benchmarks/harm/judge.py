"""What a kind's runs say: was a healthy training harmed?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FLOOR_LR = 1e-12
"""The least LR that the controller sets."""
FLOOR_RATIO = 1 / 100
"""Of the LR that the run was started with and is healthy at: below it a run stands still."""
MEDIAN = 0.01
"""How much worse the paired median may be."""
CLEARLY = 0.1
"""How much worse than without a controller a run ends that is lost: where nothing is left to learn, and in
pure noise, runs end a little above their start by chance."""
DEVIATIONS = 3.0
"""How much worse a single run may be, in deviations of the kind's seeds without rollback."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One kind's row.

    Attributes:
        kind: its name.
        seeds: pairs of runs.
        restores: all restores, of all runs.
        initials: restores of the initial state.
        floors: runs whose LR reached a floor, with rollback or without.
        floors_guard: those of them without rollback.
        floors_network: those of them to which the network alone brought the LR, and no rule around it.
        errors: runs that raised.
        lost: runs with a controller that end where the same one without any does not, at a loss that is not
            finite, or above that of the untrained net and clearly above that of the run without.
        median: paired median of the final loss's excess over the run without rollback (0.01 is 1 % worse).
        worst: the worst run's excess in seed deviations.
        alone: the median excess over the training without any controller, for orientation.
        unknown: that of the run that is not told its length. Its ways back to the initial state, floors and
            errors count among those above.
    """

    kind: str
    seeds: int
    restores: int
    initials: int
    floors: int
    floors_guard: int
    floors_network: int
    errors: int
    lost: int
    median: float
    worst: float
    alone: float
    unknown: float

    @property
    def broken(self) -> list[str]:
        """The criteria that it misses; better than without rollback is never a miss."""
        checks = {
            "raised": self.errors > 0,
            "lost": self.lost > 0,
            "initial": self.initials > 0,
            "floor": self.floors > 0,
            "median": not self.median <= MEDIAN,
            "worst": not self.worst <= DEVIATIONS,
        }
        return [name for name, missed in checks.items() if missed]


def at_floor(row: Mapping[str, Any]) -> bool:
    """Whether the controller brought the LR to 1e-12, or below a hundredth of the initial one.

    The final anneal and the user's own schedule are left out of the hundredth (``run._moves``).
    """
    low = row["lowest_lr"]
    return row["ratio"] < FLOOR_RATIO or (low is not None and low <= FLOOR_LR * 1.001 and row["ratio"] < 1)


def _rescued(row: Mapping[str, Any]) -> bool:
    """Whether a rule around the network left the LR below a hundredth of the initial one."""
    return bool(row["rescued"] < FLOOR_RATIO)


def lost(row: Mapping[str, Any]) -> bool:
    """Whether a run ends no better than it began. Where a run's loss may be negative, or rises by intent
    (it validates another one), so does that without a controller."""
    return not _number(row["final"]) <= _number(row["initial"])


def scale(row: Mapping[str, Any]) -> float:
    """What an excess over this run is divided by.

    Its final loss, or a hundredth of what the loss fell where that is more: a loss that falls by many
    decades ends at a level that means nothing. Where losses may be negative, what the loss fell, or a
    hundredth of its size where it did not fall.
    """
    final, initial = _number(row["final"]), _number(row["initial"])
    if not (math.isfinite(final) and math.isfinite(initial)):
        return math.nan
    fall = abs(initial - final)
    if row["positive"]:
        return max(abs(final), fall / 100, 1e-300)
    return max(fall, abs(final) / 100, 1e-300)


def verdict(kind: str, rows: Mapping[tuple[int, str], Mapping[str, Any]]) -> Verdict:
    """Judge the runs of one kind, by seed and arm; seeds without both arms are left out."""
    seeds = sorted({seed for seed, _ in rows if (seed, "arc") in rows and (seed, "guard") in rows})
    pairs = [(rows[seed, "arc"], rows[seed, "guard"]) for seed in seeds]
    untold = [rows[seed, "unknown"] for seed in seeds if (seed, "unknown") in rows]
    base = [_number(guard["final"]) for _, guard in pairs]
    sizes = [scale(guard) for _, guard in pairs if guard["final"] is not None]
    # where all seeds end at the same value, a difference below a hundredth is no difference
    deviation = max(_spread(base), MEDIAN * statistics.median(sizes)) if sizes else math.nan
    return Verdict(
        kind=kind,
        seeds=len(pairs),
        restores=sum(ours["restores"] for ours, _ in pairs),
        initials=sum(ours["initials"] for ours, _ in pairs) + sum(row["initials"] for row in untold),
        floors=sum(at_floor(ours) or at_floor(guard) for ours, guard in pairs) + sum(map(at_floor, untold)),
        floors_guard=sum(at_floor(guard) for _, guard in pairs),
        floors_network=sum(any(at_floor(r) for r in p) and not any(map(_rescued, p)) for p in pairs),
        errors=sum(bool(row["error"]) for pair in [*pairs, untold] for row in pair),
        lost=sum(
            lost(rows[seed, arm])
            and not lost(rows[seed, "none"])
            and excess(rows[seed, arm], rows[seed, "none"]) > CLEARLY
            for seed in seeds
            for arm in ("arc", "guard", "unknown")
            if {(seed, "none"), (seed, arm)} <= rows.keys()
        ),
        median=statistics.median(excess(ours, guard) for ours, guard in pairs),
        worst=max(_difference(ours, guard) for ours, guard in pairs) / deviation,
        alone=_beside_none(rows, seeds, "arc"),
        unknown=_beside_none(rows, seeds, "unknown"),
    )


def _beside_none(rows: Mapping[tuple[int, str], Mapping[str, Any]], seeds: list[int], arm: str) -> float:
    found = [excess(rows[s, arm], rows[s, "none"]) for s in seeds if {(s, "none"), (s, arm)} <= rows.keys()]
    return statistics.median(found) if found else math.nan


def excess(ours: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How much worse a run ended than another of the same seed, by :func:`scale`."""
    difference = _difference(ours, other)
    return difference if math.isinf(difference) or not difference else difference / scale(other)


def _difference(ours: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    ours_final, other_final = _number(ours["final"]), _number(other["final"])
    if math.isinf(other_final):  # nothing is worse than that
        return 0.0 if math.isinf(ours_final) else -math.inf
    return ours_final - other_final


def _spread(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.stdev(finite) if len(finite) > 1 else math.nan if not finite else 0.0


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def table(verdicts: list[Verdict]) -> str:
    """Markdown: a row per kind, totals, and how many held."""
    lines = [
        "| kind | seeds | restores | initial | at a floor (rollback off; network alone) | raised | lost "
        "| median, % | worst, sd | median v no controller, % | length unknown v no controller, % | verdict |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for v in verdicts:
        said = "held" if not v.broken else "**" + ", ".join(v.broken) + "**"
        lines.append(
            f"| {v.kind} | {v.seeds} | {v.restores} | {v.initials} | {v.floors} "
            f"({v.floors_guard}; {v.floors_network}) | {v.errors} | {v.lost} "
            f"| {100 * v.median:+.2f} | {v.worst:+.2f} "
            f"| {100 * v.alone:+.1f} | {100 * v.unknown:+.1f} | {said} |"
        )
    held = sum(not v.broken for v in verdicts)
    totals = [sum(getattr(v, name) for v in verdicts) for name in ("seeds", "restores", "initials", "floors")]
    guard, alone = (sum(getattr(v, f"floors_{name}") for v in verdicts) for name in ("guard", "network"))
    lines.append(
        f"| **all** | {totals[0]} | {totals[1]} | {totals[2]} | {totals[3]} ({guard}; {alone}) "
        f"| {sum(v.errors for v in verdicts)} | {sum(v.lost for v in verdicts)} | | | | | |"
    )
    return "\n".join([*lines, "", f"{held} of {len(verdicts)} kinds held."])
