"""From the network's probabilities to a factor on the LR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from arc.actions import Action, probable


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


PAPER: Final = Policy(
    acceleration=1, conviction=0.0, hesitation=1.0, undo=False, min_confidence=0.0, anneal=0.0
)
"""Exactly the paper: the most probable action, nothing around it."""

PolicyName = Literal["default", "paper"]


def get(policy: Policy | str) -> Policy:
    """The policy itself, or the one called ``default`` or ``paper`` (ValueError)."""
    if isinstance(policy, Policy):
        return policy
    if policy not in ("default", "paper"):
        raise ValueError(f"got policy={policy!r}, need 'default', 'paper' or an arc.Policy")
    return PAPER if policy == "paper" else Policy()


class Move(NamedTuple):
    """An action, the factor that it puts on the LR, and a rule's words on it."""

    action: Action
    multiplier: float
    note: str = ""


class PolicyState:
    """A policy in use: it remembers the last actions.

    Args:
        policy: the rules.
        anneals: whether a final anneal comes.

    Attributes:
        anneals: the same; whoever knows that it is over sets it to False.
    """

    def __init__(self, policy: Policy, *, anneals: bool = False) -> None:
        self.policy = policy
        self.anneals = anneals
        self._streak = 0
        self._last = Action.KEEP
        self._last_multiplier = 1.0
        self._accelerates = True

    def decide(
        self,
        probabilities: Sequence[float],
        val_losses: Sequence[float | None],
        *,
        noise: float = 0.0,
    ) -> Move:
        """The next move.

        Args:
            probabilities: of raise, keep, lower.
            val_losses: last validation loss of each period of the window, oldest first, None where missing.
            noise: standard deviation of a validation loss; infinite: no raise is undone here.
        """
        return self._undone(val_losses, noise) or self._chosen(probabilities)

    def applied(self, multiplier: float) -> None:
        """The factor that the LR really took: limits may have shortened the move."""
        self._last_multiplier = multiplier

    def _undone(self, val_losses: Sequence[float | None], noise: float) -> Move | None:
        if not self.policy.undo or self._last_multiplier <= 1 or len(val_losses) < 2:
            return None
        before, after = val_losses[-2:]
        if before is None or after is None or after <= before + 2 * math.sqrt(2) * noise:
            return None
        multiplier = 1 / self._last_multiplier
        self.forget()
        return Move(Action.LOWER, multiplier, "validation loss got worse after a raise, taken back")

    def _chosen(self, probabilities: Sequence[float]) -> Move:
        action = probable(probabilities)
        if probabilities[action] < self.policy.min_confidence:
            action, note = Action.KEEP, f"below min_confidence={self.policy.min_confidence:g}"
        else:
            note = ""
        self._streak = self._streak + 1 if action is self._last else 1
        self._last = action
        lead = abs(probabilities[Action.RAISE] - probabilities[Action.LOWER])
        accelerates = self._accelerates and lead >= self.policy.conviction
        power: float = min(self._streak, self.policy.acceleration) if accelerates else 1
        why = f"{self._streak} in a row"
        if action is Action.LOWER and not accelerates:
            power = self.policy.hesitation if self.anneals else 1
            why = "not sure: half a step before the anneal"
        if action is not Action.KEEP and power != 1:
            note = why
        return Move(action, math.pow(action.multiplier, power), note)

    @property
    def strength(self) -> float:
        """A guard's factor on the LR: as strong as acceleration allows."""
        return math.pow(Action.LOWER.multiplier, self.policy.acceleration)

    def forget(self) -> None:
        """What came before counts no more, and nothing accelerates: the network did not decide."""
        self._streak, self._last, self._last_multiplier = 0, Action.KEEP, 1.0
        self._accelerates = False

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "streak": self._streak,
            "last": self._last.label,
            "last_multiplier": self._last_multiplier,
            "accelerates": self._accelerates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._streak = int(state["streak"])
        self._last = Action[state["last"].upper()]
        self._last_multiplier = float(state["last_multiplier"])
        self._accelerates = bool(state["accelerates"])
