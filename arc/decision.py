"""What the controller decided, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

from arc.actions import Action

_T = TypeVar("_T")
_BACK = re.compile(r",( took it back and)? went back to the [a-z ]+")  # a line's deed has said it


class RecoveryWarning(UserWarning):
    """A state of the run was restored, or something was seen that its user wants to know once."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision of a controller; ``str()`` of it is one line.

    Example:
        >>> decision = Decision(
        ...     action=Action.RAISE, probabilities=(0.8, 0.1, 0.1), lr_before=(3e-4,), lr_after=(9e-4,),
        ...     epoch=15, reason="the loss falls steadily",
        ... )
        >>> print(decision)
        call 15  lr 3.0e-04 -> 9.0e-04  raise x3  the loss falls steadily
        >>> print(decision.line("step 1500"))
        step 1500  lr 3.0e-04 -> 9.0e-04  raise x3  the loss falls steadily

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
        distance: log10(LR before / best LR) as the network estimated it; None where it was not asked.
        overfits: calls since the lowest validation loss, where it has risen since beyond its noise while the
            training loss fell: the run may be stopped, or taken back to that state; else None.
    """

    action: Action
    probabilities: tuple[float, float, float]
    lr_before: tuple[float, ...]
    lr_after: tuple[float, ...]
    epoch: int
    reason: str
    source: str = "network"
    restored: int | None = None
    distance: float | None = None
    overfits: int | None = None

    @property
    def multiplier(self) -> float:
        """The factor from ``lr_before`` to ``lr_after``: the action's, as rules and bounds changed it."""
        return next((b / a for a, b in zip(self.lr_before, self.lr_after, strict=True) if a > 0), 1.0)

    @property
    def deed(self) -> str:
        """What it did, in a few words: ``raise x3``, ``keep``, ``rewind to the initial state x0.1``."""
        times = "" if self.multiplier == 1 else f" x{two_digits(self.multiplier)}"
        if self.restored is None:
            return f"{self.action.label}{times}"
        return f"rewind to {f'call {self.restored}' if self.restored else 'the initial state'}{times}"

    def line(self, where: str | None = None) -> str:
        """One line: where, the LR of the first group that is not frozen, the deed, the reason.

        Args:
            where: in place of ``call 15``, such as a framework's own epoch or step.
        """
        moved = [pair for pair in zip(self.lr_before, self.lr_after, strict=True) if pair[0] > 0]
        before, after = moved[0] if moved else (0.0, 0.0)
        lr = f"{before:.1e}" if before == after else f"{before:.1e} -> {after:.1e}"
        why = self.reason if self.restored is None else _BACK.sub("", self.reason)
        return f"{where or f'call {self.epoch}'}  lr {lr}  {self.deed}  {why}"

    def __str__(self) -> str:
        return self.line()

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
                restored=_number(int, values.get("restored")),
                distance=_number(float, values.get("distance")),
                overfits=_number(int, values.get("overfits")),
            )
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ValueError(f"got {dict(values)!r:.120}, need what as_dict() makes: {error!r}") from error


def _number(kind: Callable[[Any], _T], value: Any) -> _T | None:
    return None if value is None else kind(value)


def two_digits(value: float) -> str:
    """A factor in words: 0.24, 3.5, 26, 170.

    Example:
        >>> two_digits(171.2), two_digits(0.2361)
        ('170', '0.24')
    """
    return f"{float(f'{value:.2g}'):g}"
