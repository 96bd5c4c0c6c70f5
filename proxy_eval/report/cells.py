"""How the report writes numbers and names; what is not known is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

TASKS_AND_SEEDS = "95 %, tasks and seeds redrawn"
SEEDS_ONLY = "95 %, seeds only"
"""Headings of the two intervals; the first is the one that a claim may rest on."""


def number(value: float) -> str:
    """A score or a regret."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def span(low: float, high: float, digits: int = 3) -> str:
    """An interval."""
    return "-" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def ratio(value: float) -> str:
    """A factor."""
    return "-" if math.isnan(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """A part of something."""
    return "-" if math.isnan(value) else f"{value:.0%}"


def trials(value: float) -> str:
    """A number of trials as :func:`proxy_eval.report.summary.trials_to_equal` counts them."""
    return "-" if math.isnan(value) else "over 64" if math.isinf(value) else f"{value:.0f}"


def lr0(value: float) -> str:
    """An initial LR; NaN: the method takes none."""
    return "none" if math.isnan(value) else f"{value:.2g}"


def cell(text: str) -> str:
    """Any text, on one line and without what ends a cell."""
    return " ".join(text.split()).replace("|", "/")[:160]


def listed(titles: Sequence[str], most: int = 99) -> str:
    """Titles, which hold commas themselves."""
    return "; ".join(titles[:most]) + (f"; and {len(titles) - most} more" if len(titles) > most else "")
