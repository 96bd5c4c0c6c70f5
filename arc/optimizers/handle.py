"""One handle for one or several optimizers: LRs read, multiplied within bounds, watched; a decision tells."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch

from arc.actions import Action
from arc.decision import Decision
from arc.optimizers import learning_rates, schedulers
from arc.optimizers.steps import Steps, others

CERTAIN: Final = {Action.RAISE: (1.0, 0.0, 0.0), Action.KEEP: (0.0, 1.0, 0.0), Action.LOWER: (0.0, 0.0, 1.0)}
"""Probabilities of a decision for which the network was not asked."""


class ForeignWrite(NamedTuple):
    """An LR that somebody else wrote since the handle last set or looked at it."""

    group: int  # index over all groups of all optimizers
    expected: float  # what the handle left there
    found: float  # what is there now


class Optimizers:
    """The LRs of one or several optimizers, moved together by one factor.

    An optimizer is anything with ``param_groups`` (a list of mappings with an ``lr``): torch's, and
    stand-ins for others. A group, and a tensor LR, that several groups or optimizers share is moved once.

    Args:
        optimizer: one optimizer, or a list of them.
        scheduler: torch schedulers on them (one, or a list); what they compute the LR from moves along.
        min_lr: no move carries a group's positive LR below it.
        max_lr: no move carries a group's LR above it.
        control: False never writes anything, :meth:`move` only says what it would do.

    Raises:
        RuntimeError: a scheduler that was not passed drives one of the optimizers.
        TypeError: no optimizer, no scheduler.
        ValueError: no usable LR, or an LR outside the bounds.

    Example:
        >>> import torch
        >>> weight, bias = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(1))
        >>> sgd, adam = torch.optim.SGD([weight], lr=0.5), torch.optim.Adam([bias], lr=0.125)
        >>> both = Optimizers([sgd, adam])
        >>> both.move(2.0)
        ((0.5, 0.125), (1.0, 0.25))
        >>> adam.param_groups[0]["lr"] = 0.1
        >>> both.foreign()
        (ForeignWrite(group=1, expected=0.25, found=0.1),)
    """

    def __init__(
        self,
        optimizer: Any,
        scheduler: Any = None,
        *,
        min_lr: float | None = None,
        max_lr: float | None = None,
        control: bool = True,
    ) -> None:
        self.all = learning_rates.listed(optimizer)
        self._schedulers = schedulers.checked(scheduler)
        self._bounds = (
            learning_rates.LOWEST if min_lr is None else min_lr,
            learning_rates.HIGHEST if max_lr is None else max_lr,
        )
        self.in_control = control
        self.steps = Steps(self.all)
        before = self.read()
        if not self._schedulers:  # a schedule may ramp the LR up from far below
            for lr in before:
                if min_lr is not None and 0 < lr < min_lr:
                    raise ValueError(f"got lr={lr} and min_lr={min_lr}, the LR must start within the bounds")
                if max_lr is not None and lr > max_lr:
                    raise ValueError(f"got lr={lr} and max_lr={max_lr}, the LR must start within the bounds")
        self.left: tuple[float, ...] = before
        """The LRs as the last move left them, or as they were last looked at: other ones are foreign."""

    @property
    def of_torch(self) -> bool:
        """Whether all of them are torch's, so that their parameters can be followed and copied."""
        return all(isinstance(one, torch.optim.Optimizer) for one in self.all)

    @property
    def scheduled(self) -> bool:
        """Whether a schedule was passed, which moves the LRs as well."""
        return bool(self._schedulers)

    @property
    def groups(self) -> list[Any]:
        """The parameter groups of all optimizers, in order."""
        return [group for optimizer in self.all for group in optimizer.param_groups]

    def read(self) -> tuple[float, ...]:
        """The LR of every parameter group of every optimizer.

        Raises:
            RuntimeError: a scheduler that was not passed drives an optimizer (only in control).
            ValueError: an LR that is negative or not finite, or no positive LR at all without a scheduler.
        """
        if self.in_control and schedulers.strangers(self.all, self._schedulers):
            raise RuntimeError(schedulers.REMEDY)
        return learning_rates.values(self.groups, allow_zero=bool(self._schedulers) or not self.in_control)

    @property
    def reference(self) -> float:
        """The LR that stands for all groups: the first that is not 0; 0 if all are."""
        return learning_rates.reference(self.read())

    def move(self, multiplier: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Multiply all LRs, as far as the bounds allow; the LRs before and after."""
        before = self.read()
        allowed = self.allowed(multiplier)
        if not self.in_control:
            return before, tuple(lr * allowed for lr in before)
        if allowed == 1:
            return before, before
        after = learning_rates.scale(self.groups, allowed)
        schedulers.scale(self.groups, self._schedulers, allowed)
        self.left = after
        return before, after

    def carry_out(
        self,
        factor: float,
        *,
        epoch: int,
        reason: str,
        source: str = "network",
        action: Action | None = None,
        probabilities: tuple[float, float, float] | None = None,
        restored: int | None = None,
    ) -> Decision:
        """:meth:`move`, and the decision that tells of it.

        Args:
            factor: on the LRs.
            epoch, reason, source, restored: of the decision.
            action: what the network has chosen; None: what the factor does.
            probabilities: what the network said; None where it was not asked.
        """
        if action is None:
            action = Action.KEEP if factor == 1 else Action.RAISE if factor > 1 else Action.LOWER
        before, after = self.move(factor)
        return Decision(
            action=action,
            probabilities=CERTAIN[action] if probabilities is None else probabilities,
            lr_before=before,
            lr_after=after,
            epoch=epoch,
            reason=reason,
            source=source,
            restored=restored,
        )

    def allowed(self, multiplier: float) -> float:
        """The factor as far as the bounds allow it: 1 where they allow nothing."""
        return learning_rates.limited(multiplier, self.read(), *self._bounds)

    @property
    def gradients(self) -> bool:
        """Whether any of their parameters has one."""
        return any(p.grad is not None for group in self.groups for p in group["params"])

    def replaced(self) -> bool:
        """Whether another optimizer holds parameters of these: for once, it looks through all objects."""
        return others(self.all)

    def foreign(self) -> tuple[ForeignWrite, ...]:
        """Which LRs somebody else wrote since the last move or the last call of this; the new ones are kept.

        Empty where a scheduler was passed (its writes are expected), where nothing is controlled, and
        where torch's ``ReduceLROnPlateau`` is on one of the optimizers: it multiplies what it finds, so
        it undoes no decision. Groups added since are no writes.
        """
        now = learning_rates.values(self.groups, allow_zero=True)
        left, self.left = self.left, now
        if self._schedulers or not self.in_control:
            return ()
        found = tuple(
            ForeignWrite(i, *pair)
            for i, pair in enumerate(zip(left, now, strict=False))
            if pair[0] != pair[1]
        )
        return () if found and schedulers.has_plateau(self.all) else found
