"""The rules around the network, as a user sets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from arc.actions import Action


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules around the network; each can be switched off.

    Attributes:
        acceleration: the n-th equal raise or lower in a row uses the multiplier to the power
            min(n, acceleration); 1 switches it off.
        conviction: a move accelerates only where the probabilities of raise and lower differ by so much;
            in [0, 1), 0 lets every move accelerate.
        hesitation: power of a lower that does not accelerate, while the final anneal is still to come; in
            (0, 1], 1 switches it off. A lower LR always looks better for the next few epochs.
        undo: take a raise back after which the validation loss got worse, and accelerate no more. With
            ``rollback`` a raise after which the training loss got worse as well is taken back with the
            state of model and optimizer from before it.
        min_confidence: a less probable raise or lower becomes a keep; 0 switches it off.
        anneal: the last share of ``total_calls`` over which the LR falls linearly towards 0; in
            [0, 1), 0 switches it off.

    Raises:
        ValueError: a value outside its range.
    """

    acceleration: int = 3
    conviction: float = 0.65
    hesitation: float = 0.5
    undo: bool = True
    min_confidence: float = 0.0
    anneal: float = 0.2

    def __post_init__(self) -> None:
        if (
            isinstance(self.acceleration, bool)
            or not isinstance(self.acceleration, int)
            or self.acceleration < 1
        ):
            raise ValueError(f"got acceleration={self.acceleration!r}, need an integer >= 1 (1 is off)")
        if not isinstance(self.undo, bool):
            raise ValueError(f"got undo={self.undo!r}, need True or False")
        for name in ("conviction", "min_confidence", "anneal"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ValueError(f"got {name}={value!r}, need a number in [0, 1) (0 is off)")
        power = self.hesitation
        if isinstance(power, bool) or not isinstance(power, int | float) or not 0 < power <= 1:
            raise ValueError(f"got hesitation={power!r}, need a number in (0, 1] (1 is off)")

    @property
    def strength(self) -> float:
        """A guard's factor on the LR: as strong as acceleration allows."""
        return math.pow(Action.LOWER.multiplier, self.acceleration)


PAPER: Final = Policy(
    acceleration=1, conviction=0.0, hesitation=1.0, undo=False, min_confidence=0.0, anneal=0.0
)
"""Exactly the paper: the most probable action, nothing around it."""

PolicyName = Literal["default", "paper"]


def get(policy: Policy | str) -> Policy:
    """The policy itself, or the one called ``default`` or ``paper`` (ValueError)."""
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, str) or policy not in ("default", "paper"):
        raise ValueError(f"got policy={policy!r}, need 'default', 'paper' or an arc.Policy")
    return PAPER if policy == "paper" else Policy()
