"""What the controller decided, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from arc.actions import Action


class RecoveryWarning(UserWarning):
    """A state of the run was restored, or something was seen that its user wants to know once."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision of a controller.

    Attributes:
        action: what it did to the LR; in mode ``advise`` what it would have done.
        probabilities: of raise, keep, lower as the network gave them; 1 for the action of a guard,
            which does not ask the network.
        lr_before: LR of every parameter group before the decision.
        lr_after: LR of every parameter group after it.
        epoch: the call of ``step()`` that brought it, counted from 1.
        reason: in words.
        source: what decided: ``network``, ``guard``, ``restart``, ``trial`` (of a raise), ``anneal`` or
            ``schedule``.
        restored: the call whose state of model and optimizer was put back (0: the initial one); None: none.
    """

    action: Action
    probabilities: tuple[float, float, float]
    lr_before: tuple[float, ...]
    lr_after: tuple[float, ...]
    epoch: int
    reason: str
    source: str = "network"
    restored: int | None = None

    @property
    def multiplier(self) -> float:
        """The factor from ``lr_before`` to ``lr_after``: the action's, as rules and bounds changed it."""
        return next((b / a for a, b in zip(self.lr_before, self.lr_after, strict=True) if a > 0), 1.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON; :meth:`from_dict` reads them."""
        return {**asdict(self), "action": self.action.label}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The decision that :meth:`as_dict` described (ValueError, TypeError for anything else)."""
        if not isinstance(values, Mapping):
            raise TypeError(f"got {values!r:.60}, need a dict of a decision")
        try:
            raise_, keep, lower = (float(p) for p in values["probabilities"])
            return cls(
                action=Action[values["action"].upper()],
                probabilities=(raise_, keep, lower),
                lr_before=tuple(map(float, values["lr_before"])),
                lr_after=tuple(map(float, values["lr_after"])),
                epoch=int(values["epoch"]),
                reason=str(values["reason"]),
                source=str(values.get("source", "network")),
                restored=None if values.get("restored") is None else int(values["restored"]),
            )
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ValueError(f"got {dict(values)!r:.120}, need what as_dict() makes: {error!r}") from error
