"""The controller's settings, checked before anything happens."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from arc.optimizers import learning_rates
from arc.policy.default import PAPER, Policy

Mode = Literal["control", "advise"]

RENAMED: Final = "total_epochs is called total_calls now (it counts calls of step()): write total_calls=..."


def renamed(total_calls: int | None, total_epochs: int | None) -> int | None:
    """``total_calls``, or what was given under its old name, which is said."""
    if total_epochs is None:
        return total_calls
    if total_calls is not None:
        raise ValueError(f"got total_calls={total_calls!r} and total_epochs={total_epochs!r}, its old name")
    warnings.warn(RENAMED, FutureWarning, stacklevel=3)  # shown out of callbacks, too
    return total_epochs


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What :class:`arc.Controller` was asked for.

    Raises:
        ValueError: a value out of range, or settings that exclude each other.
        TypeError: a value of a wrong type.
    """

    policy: Policy
    period: int
    total_calls: int | None
    min_lr: float | None
    max_lr: float | None
    warmup: int
    rollback: bool | str | Path
    mode: Mode

    def __post_init__(self) -> None:
        whole("period", self.period, 1, "calls of step() from one decision to the next")
        whole("warmup", self.warmup, 0, "calls of record() during which nothing changes")
        if self.total_calls is not None:
            whole("total_calls", self.total_calls, 1, "calls of step() in the whole training, or None")
        low, high = self.bounds
        for name in ("min_lr", "max_lr"):
            _positive(name, getattr(self, name))
        if low > high:
            raise ValueError(f"got min_lr={self.min_lr} above max_lr={self.max_lr}")
        if not isinstance(self.mode, str) or self.mode not in ("control", "advise"):
            raise ValueError(f"got mode={self.mode!r}, need 'control' or 'advise'")
        if not isinstance(self.rollback, bool | str | Path):
            raise TypeError(f"got rollback={self.rollback!r}, need 'auto', True, False or a directory")
        if self.mode == "advise" and self.rollback not in (False, "auto"):
            raise ValueError(f"got rollback={self.rollback!r} with mode='advise', which touches nothing")
        if self.policy is PAPER:  # rules that are all off may have company
            self._refuse_extras()

    def _refuse_extras(self) -> None:
        asked = {
            "total_calls": self.total_calls is not None,
            "min_lr": self.min_lr is not None,
            "max_lr": self.max_lr is not None,
            "warmup": self.warmup > 0,
            "rollback": self.rollback not in (False, "auto"),
        }
        for name, is_asked in asked.items():
            if is_asked:
                raise ValueError(
                    f"got {name}={getattr(self, name)!r} with policy='paper', which has nothing around the "
                    "network: drop one of the two"
                )

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest LR of any group that is not frozen."""
        low = learning_rates.LOWEST if self.min_lr is None else self.min_lr
        return low, learning_rates.HIGHEST if self.max_lr is None else self.max_lr

    @property
    def total_epochs(self) -> int | None:
        """The old name of :attr:`total_calls`."""
        warnings.warn(RENAMED, FutureWarning, stacklevel=2)
        return self.total_calls

    @property
    def annealed_epochs(self) -> int:
        """Calls of the final fall of the LR; 0 without ``total_calls``."""
        return round(self.policy.anneal * self.total_calls) if self.total_calls else 0

    def anneals(self, epoch: int) -> bool:
        """Whether the final stretch has begun after ``epoch`` calls, and the training is not past its end."""
        n, total = self.annealed_epochs, self.total_calls
        return n > 0 and total is not None and total - n <= epoch <= total

    def anneal_to_come(self, epoch: int) -> bool:
        """Whether there is a final fall of the LR, and the training is not past its end."""
        return self.annealed_epochs > 0 and not self.passed(epoch)

    def passed(self, epoch: int) -> bool:
        """Whether the training goes on after its last call."""
        return self.total_calls is not None and epoch > self.total_calls

    def share_done(self, epoch: int) -> float | None:
        """Share of the training that is behind after ``epoch`` calls; None where its length is not known."""
        return None if self.total_calls is None or self.passed(epoch) else epoch / self.total_calls

    def anneal_factor(self, epoch: int) -> float:
        """The factor on the LR after ``epoch`` calls, within or after the final stretch.

        Over the last n calls the LR falls in equal steps to 1/(n + 1) of what it was.
        """
        assert self.total_calls is not None
        left = self.total_calls - epoch
        return left / (left + 1) if left > 0 else 1.0


def whole(name: str, value: Any, least: int, meaning: str) -> None:
    """ValueError where it is no integer, or too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"got {name}={value!r}, need an integer >= {least} ({meaning})")


def _positive(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"got {name}={value!r}, need a number or None")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"got {name}={value}, need a positive, finite LR or None")
