"""A decision's reason in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from arc.actions import Action, probable
from arc.decision import two_digits
from arc.history.features import PERIOD_LENGTH, Period, Window

if TYPE_CHECKING:  # advice does without torch
    from arc.history.report import Report

FLAT = 0.5
"""A loss is called falling or rising when its last third differs by this many deviations from its first."""

RIGHT: Final = 0.1
"""Decades up to which an LR is called about right."""


def of_distance(report: Report, overfits: int | None, note: str = "") -> str:
    """How far the LR is off, what tells it, and which rule had a say.

    Args:
        report: of the call.
        overfits: calls since the lowest validation loss where the net overfits, else None.
        note: a rule's words, if one had a say.
    """
    if math.isnan(report.distance):
        return "the weights stand still"
    side = "low" if report.distance < 0 else "high"
    off = f"LR about {two_digits(10 ** abs(report.distance))} times too {side}"
    said = ["LR about right" if abs(report.distance) < RIGHT else off]
    if report.weights and not math.isnan(report.shift):
        cosine = "" if math.isnan(report.cosine) else f", cosine {report.cosine:.2f}"
        said.append(f"the weights move {report.shift:.1%} a call{cosine}")
    if overfits is not None:
        said.append(f"overfits: best validation was {overfits} calls ago")
    return "; ".join(said) + (f" ({note})" if note else "")


def reason(
    history: Sequence[Period],
    window: Window,
    span: str,
    probabilities: tuple[float, ...],
    action: Action,
    note: str = "",
) -> str:
    """What was seen, what follows, and which rule had a say.

    Args:
        history: what the network saw.
        window: the same as features.
        span: how long it was ("9 epochs").
        probabilities: of raise, keep, lower.
        action: what was decided.
        note: a rule's words, if one had a say; there is one where the action is not the most probable.
    """
    rows = window[-PERIOD_LENGTH * len(history) :]
    third = len(rows) // 3
    train_change, val_change, _ = ((rows[-third:].sum(0) - rows[:third].sum(0)) / third).tolist()
    train = f"training loss {_trend(train_change)}"
    if any(period.val_loss is not None for period in history):
        seen = f"validation loss {_trend(val_change)} over {span}, {train}"
    else:
        seen = f"{train} over {span}"
    first = probable(probabilities)
    choice = f"{first.label}, p={probabilities[first]:.2f}"
    if action is not first:
        return f"{seen}: {action.label} ({note}; the network said {choice})"
    return f"{seen}: {choice}" + (f" ({note})" if note else "")


def _trend(change: float) -> str:
    return "falling" if change < -FLAT else "rising" if change > FLAT else "flat"
