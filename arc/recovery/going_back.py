"""A run's way back: what the rules say after each call, with the yardstick and the copies that they need."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Final

from arc.actions import Action
from arc.decision import Decision, RecoveryWarning
from arc.history.course import Call
from arc.optimizers.handle import Optimizers
from arc.policy.default import PAPER
from arc.recovery import phases
from arc.recovery.copies import Copies
from arc.recovery.phases import verdict
from arc.recovery.state import Restored, Situation, State, Verdict, in_start, relearns
from arc.recovery.yardstick import Yardstick
from arc.settings import Settings

NAMES: Final[tuple[Restored, ...]] = ("initial", "good")
"""Of the copies."""
BELOW: Final = 10**-0.5
"""Share of an LR at which the run broke or overfitted that no raise goes beyond."""


class GoingBack:
    """Watches a run, keeps states of it, and puts one back where a verdict says so.

    Args:
        settings: of the controller.
        optimizers: whose LRs a verdict may lower.
        copies: states to go back to; None guards the LR alone.

    Attributes:
        copies: the same; whoever lets go sets it to None.
        on_restore: called with every decision after which a state was put back.
    """

    def __init__(self, settings: Settings, optimizers: Optimizers, copies: Copies | None) -> None:
        self.copies = copies
        self.on_restore: Callable[[Decision], object] | None = None
        self._settings = settings
        self._optimizers = optimizers
        self._state = State()
        self._yard = Yardstick()
        self._ceiling = math.inf
        self._take("initial", 0)

    @property
    def val_noise(self) -> float:
        """Standard deviation of a validation loss of this run; infinite while nobody can tell."""
        return self._yard.val_noise

    def judge(self, call: Call, *, ends_period: bool) -> Verdict:
        """What follows from a call; the call, and a good state after it, are remembered."""
        now = self._situation(call.epoch, ends_period)
        self._yard.begin(call)
        found = verdict(self._state, call, self._yard, now)
        self._state = found.state
        if found.fresh:
            self._yard.restart()
        if found.good:
            self._yard.add(call)
        if self.copies is not None:
            if not found.reason and "initial" in self.copies.names and not self._may_restart(now):
                self.copies.drop("initial")  # nothing leads back to it any more
            if found.keep:
                self._take("good", call.epoch)
        return found

    def _take(self, name: Restored, call: int) -> None:
        """Copy the present state; what cannot be copied ends no training: the LR alone is guarded then."""
        if self.copies is None:
            return
        try:
            self.copies.take(name, call=call)
        except Exception as error:
            if not call and self._settings.rollback != "auto":
                raise  # what was asked for cannot be done, and nothing is lost yet
            self.copies = None
            warnings.warn(
                f"call {call}: no copy could be taken ({type(error).__name__}: {error!s:.200}): from here on "
                "ARC guards the LR alone; rollback=False asks for no copies",
                RecoveryWarning,
                stacklevel=5,
            )

    @property
    def kept(self) -> int:
        """Which states there are to go back to, as bits: the lowest that any are kept, then :data:`NAMES`."""
        if self.copies is None:
            return 0
        return 1 + sum(2 << i for i, name in enumerate(NAMES) if name in self.copies.names)

    def keep_common(self, kept: int) -> None:
        """Forget what not all ranks have (:attr:`kept`, of all): they go back together or not at all."""
        if self.copies is not None:
            for i, name in enumerate(NAMES):
                if not kept & 2 << i:
                    self.copies.drop(name)
            if not kept:
                self.copies = None

    def _may_restart(self, now: Situation) -> bool:
        return now.relearns or in_start(self._state, now)

    def _situation(self, epoch: int, ends_period: bool) -> Situation:
        settings, total = self._settings, self._settings.total_calls
        return Situation(
            copies=self.copies is not None and self._optimizers.in_control,
            there=frozenset(() if self.copies is None else self.copies.names),
            strength=Action.LOWER.multiplier if settings.policy is PAPER else phases.RESCUE,
            undo=settings.policy.undo,
            lowers=self._optimizers.allowed(phases.RESTART) != 1,
            explosions=settings.policy is not PAPER,
            start_calls=phases.START_PERIODS * settings.period,
            ends_period=ends_period,
            anneals=settings.anneals(epoch),
            relearns=relearns(epoch, total, settings.period),
        )

    def carry_out(self, found: Verdict, epoch: int) -> Decision:
        """Put back what a verdict asks for, and move the LRs; in the final fall, along with it."""
        restored = None
        if found.factor < 1:
            self.stay_below(self._optimizers.reference)
        if found.restore and self.copies is not None:
            restored = self.copies.restore(found.restore)
        factor = found.factor
        if found.source == "trial" and self._settings.anneals(epoch):
            factor *= self._settings.anneal_factor(epoch)
        return self._optimizers.carry_out(
            factor, epoch=epoch, reason=found.reason, source=found.source, restored=restored
        )

    def tell(self, decision: Decision) -> None:
        """Say that a state was put back."""
        warnings.warn(f"call {decision.epoch}: {decision.reason}", RecoveryWarning, stacklevel=5)
        if self.on_restore is not None:
            self.on_restore(decision)

    def most(self, call: Call) -> float:
        """The factor by which the LR may be raised after a call: 1 where it may not."""
        if self._state.trial is not None:
            return 1.0
        return self._ceiling / call.lr

    def stay_below(self, lr: float) -> None:
        """No raise comes close any more to an LR at which the run broke or overfitted."""
        self._ceiling = min(self._ceiling, BELOW * lr)

    def moved(self, call: Call, factor: float) -> None:
        """A decision moved the LR after a call: a raise is on trial."""
        self._state = self._state.moved(call, factor)

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {
            "state": self._state.as_dict(),
            "ceiling": self._ceiling,
            "yardstick": self._yard.state_dict(),
            "copies": None if self.copies is None else self.copies.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`.

        Copies that were not kept then begin with the next good call; what was kept and is not asked for any
        more is dropped. Without the initial state nothing leads back to it.
        """
        self._state = State.from_dict(state["state"])
        self._ceiling = float(state["ceiling"])
        self._yard.load_state_dict(state["yardstick"])
        if self.copies is not None:
            self.copies.load_state_dict(state["copies"] or {})
