"""From the network's probabilities of raise, keep and lower to a move of the LR.

Source: ARC (Dong et al., 2021), section 3.5, and the rules of :class:`arc.Policy` around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from arc.actions import Action, probable
from arc.history.course import Call
from arc.history.features import PERIOD_LENGTH, Period, Window, featurise
from arc.policy.default import Policy

if TYPE_CHECKING:
    from arc.history.periods import History  # torch, which arc.advise does without

FLAT: Final = 0.5
"""A loss is called falling or rising when its last third differs by this many deviations from its first."""


class Move(NamedTuple):
    """What is to happen to the LR.

    Attributes:
        action: what it is.
        multiplier: the factor on the LR.
        note: a rule's words on it; empty where none had a say.
    """

    action: Action
    multiplier: float
    note: str = ""


def decide(policy: Policy, probabilities: Sequence[float]) -> Move:
    """The next move.

    Args:
        policy: the rules.
        probabilities: of raise, keep, lower.
    """
    action = probable(probabilities)
    if probabilities[action] < policy.min_confidence:
        return Move(Action.KEEP, 1.0, f"below min_confidence={policy.min_confidence:g}")
    return Move(action, action.multiplier)


def of_window(
    history: History,
    call: Call,
    answer: Callable[[Window], tuple[float, float, float]],
    policy: Policy,
) -> tuple[Move, tuple[float, float, float], str]:
    """The next move at the end of a period, the probabilities that it follows from, and a reason in words.

    Args:
        history: whose period in progress ends with the call.
        call: the last one of the period.
        answer: the network's, to the window's features.
        policy: as for :func:`decide`.
    """
    periods = history.end_period(call.losses, call.stride)
    window = featurise(periods)
    said = answer(window)
    move = decide(policy, said)
    span = f"{history.window_calls} epoch{'s' if history.window_calls > 1 else ''}"
    return move, said, reason(periods, window, span, said, move.action, move.note)


# -- in words -----------------------------------------------------------------------------------


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
