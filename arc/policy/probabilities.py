"""From the network's probabilities of raise, keep and lower to a move of the LR.

Source: ARC (Dong et al., 2021), section 3.5, and the rules of :class:`arc.Policy` around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from arc.actions import Action, probable
from arc.history.course import Call
from arc.history.features import PERIOD_LENGTH, Period, Window, featurise
from arc.policy.default import Policy

if TYPE_CHECKING:
    from arc.history.periods import History  # torch, which arc.advise does without

FLAT: Final = 0.5
"""A loss is called falling or rising when its last third differs by this many deviations from its first."""


class Memory(NamedTuple):
    """The network's last move, as the next one depends on it; it begins with no move.

    Attributes:
        streak: equal actions in a row.
        last: the last action.
        multiplier: the factor that the LR really took; bounds may have shortened the move.
        accelerates: whether equal actions in a row go faster; no more once a rule or a guard had to speak.
    """

    streak: int = 0
    last: Action = Action.KEEP
    multiplier: float = 1.0
    accelerates: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain types; :meth:`from_dict` reads them."""
        plain = self._asdict() | {"last": self.last.label}
        return {"last_multiplier" if k == "multiplier" else k: v for k, v in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`as_dict` described."""
        return cls(
            streak=int(values["streak"]),
            last=Action[values["last"].upper()],
            multiplier=float(values["last_multiplier"]),
            accelerates=bool(values["accelerates"]),
        )


INTERRUPTED: Final = Memory(accelerates=False)
"""What is remembered after a decision that was not the three actions': what came before counts no more."""


class Move(NamedTuple):
    """What is to happen to the LR.

    Attributes:
        action: what it is.
        multiplier: the factor on the LR.
        note: a rule's words on it; empty where none had a say.
        after: what is remembered of it, before the bounds are known.
    """

    action: Action
    multiplier: float
    note: str = ""
    after: Memory = INTERRUPTED


def decide(
    policy: Policy,
    memory: Memory,
    probabilities: Sequence[float],
    val_losses: Sequence[float | None] = (),
    *,
    noise: float = 0.0,
    anneals: bool = False,
) -> Move:
    """The next move.

    Args:
        policy: the rules.
        memory: of the move before.
        probabilities: of raise, keep, lower.
        val_losses: last validation loss of each period of the window, oldest first, None where missing.
        noise: standard deviation of a validation loss; infinite: no raise is undone here.
        anneals: whether a final anneal comes.
    """
    return _undone(policy, memory, val_losses, noise) or _chosen(policy, memory, probabilities, anneals)


def _undone(policy: Policy, memory: Memory, val_losses: Sequence[float | None], noise: float) -> Move | None:
    if not policy.undo or memory.multiplier <= 1 or len(val_losses) < 2:
        return None
    before, after = val_losses[-2:]
    if before is None or after is None or after <= before + 2 * math.sqrt(2) * noise:
        return None
    note = "validation loss got worse after a raise, taken back"
    return Move(Action.LOWER, 1 / memory.multiplier, note)


def _chosen(policy: Policy, memory: Memory, probabilities: Sequence[float], anneals: bool) -> Move:
    action, note = probable(probabilities), ""
    if probabilities[action] < policy.min_confidence:
        action, note = Action.KEEP, f"below min_confidence={policy.min_confidence:g}"
    streak = memory.streak + 1 if action is memory.last else 1
    lead = abs(probabilities[Action.RAISE] - probabilities[Action.LOWER])
    accelerates = memory.accelerates and lead >= policy.conviction
    power: float = min(streak, policy.acceleration) if accelerates else 1
    why = f"{streak} in a row"
    if action is Action.LOWER and not accelerates:
        power = policy.hesitation if anneals else 1
        why = "not sure: half a step before the anneal"
    if action is not Action.KEEP and power != 1:
        note = why
    return Move(action, math.pow(action.multiplier, power), note, memory._replace(streak=streak, last=action))


def of_window(
    history: History,
    call: Call,
    answer: Callable[[Window], tuple[float, float, float]],
    policy: Policy,
    memory: Memory,
    *,
    noise: float,
    anneals: bool,
) -> tuple[Move, tuple[float, float, float], str]:
    """The next move at the end of a period, the probabilities that it follows from, and a reason in words.

    Args:
        history: whose period in progress ends with the call.
        call: the last one of the period.
        answer: the network's, to the window's features.
        policy, memory, noise, anneals: as for :func:`decide`.
    """
    periods = history.end_period(call.losses, call.stride)
    window = featurise(periods)
    said = answer(window)
    move = decide(policy, memory, said, history.last_val_losses(), noise=noise, anneals=anneals)
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
