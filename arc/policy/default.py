"""The rules around the network, as a user sets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules around the network; each can be switched off.

    Attributes:
        undo: take a raise back after which all losses got worse beyond their noise, or that is told to be far
            too high, along with the state of model and optimizer from before it; not without such a copy.
        min_confidence: a less probable raise or lower becomes a keep; 0 switches it off.
        anneal: the last share of ``total_calls`` over which the LR falls linearly towards 0; in
            [0, 1), 0 switches it off.

    Raises:
        ValueError: a value outside its range.
    """

    undo: bool = True
    min_confidence: float = 0.0
    anneal: float = 0.2

    def __post_init__(self) -> None:
        if not isinstance(self.undo, bool):
            raise ValueError(f"got undo={self.undo!r}, need True or False")
        for name in ("min_confidence", "anneal"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ValueError(f"got {name}={value!r}, need a number in [0, 1) (0 is off)")


PAPER: Final = Policy(undo=False, min_confidence=0.0, anneal=0.0)
"""Exactly the paper: the most probable action, nothing around it."""

PolicyName = Literal["default", "paper"]


def get(policy: Policy | str) -> Policy:
    """The policy itself, or the one called ``default`` or ``paper`` (ValueError)."""
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, str) or policy not in ("default", "paper"):
        raise ValueError(f"got policy={policy!r}, need 'default', 'paper' or an arc.Policy")
    return PAPER if policy == "paper" else Policy()
