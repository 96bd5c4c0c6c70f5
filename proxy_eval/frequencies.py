"""How often ARC raises, keeps and lowers: what its random control draws with."""

from __future__ import annotations

from collections import Counter

from arc.actions import Action
from proxy_eval import comparison_schema as schema
from proxy_eval.plan import Plan
from tasks.errors import InputError

MODEL = "arc"
"""The method whose actions the control takes over."""


def check(plan: Plan) -> None:
    """InputError where the plan has no runs to take frequencies from."""
    if not any(m.name == MODEL for m in plan.methods):
        raise InputError(
            "arc_random draws with the frequencies of ARC's actions: ask for arc as well, or give "
            "frequencies=[raise,keep,lower]"
        )


def of(plan: Plan) -> tuple[float, float, float]:
    """The parts of raise, keep and lower among the decisions of the plan's ARC runs, to the percent.

    Rounded, so that another seed does not make another control of it.
    """
    counted: Counter[str] = Counter()
    for unit in plan.units():
        if unit.method == MODEL:
            table = schema.read(unit.path)
            counted.update(action for row in table["decision"].to_pylist() for action in row)
    total = counted.total()
    if not total:
        raise InputError("ARC made no decision in its runs: give frequencies=[raise,keep,lower]")
    raised, kept = (round(counted[a.label] / total, 2) for a in (Action.RAISE, Action.KEEP))
    return raised, kept, round(1 - raised - kept, 2)
