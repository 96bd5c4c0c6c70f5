"""One call of ``step()``: what was seen, what the network says of it, and the decision that follows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from arc.actions import Action
from arc.decision import Decision, RecoveryWarning
from arc.history.course import Call, Course
from arc.history.features import featurise
from arc.history.movement import Movement
from arc.history.observation import observe
from arc.history.periods import History
from arc.history.ranks import over_ranks
from arc.history.sketch import Sketches
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.notices import Notices
from arc.optimizers.handle import Optimizers
from arc.policy import distance, probabilities
from arc.policy.probabilities import INTERRUPTED, Memory, Move
from arc.recovery.copies import Copies
from arc.recovery.going_back import GoingBack
from arc.recovery.state import Source, Verdict
from arc.settings import Settings

CERTAIN = {"raise": (1.0, 0.0, 0.0), "keep": (0.0, 1.0, 0.0), "lower": (0.0, 0.0, 1.0)}
"""Probabilities of a decision for which the network was not asked."""


class Decider:
    """Joins the rooms. It holds no rule: those on moves are in ``policy``, on ways back in ``recovery``.

    Args:
        network: answers windows of history.
        settings: of the controller.
        optimizers: whose LRs move.
        copies: states to go back to; None guards the LR alone.
        follows: whether the optimizers' parameters are torch's, so that their movement can be seen.
        group: process group of the ranks that train together; None: all.
    """

    def __init__(
        self,
        network: Network | Estimator,
        settings: Settings,
        optimizers: Optimizers,
        copies: Copies | None,
        *,
        follows: bool,
        group: Any = None,
    ) -> None:
        self.history = History()
        self.recovery = GoingBack(settings, optimizers, copies)
        self.epoch = 0
        self.logged_movement: Movement | None = None
        """How the weights moved in the call that ends next, where a log tells it (a replay)."""
        self.on_restore: Callable[[Decision], object] | None = None
        self._group = group
        self._network = network.eval()
        self._settings = settings
        self._optimizers = optimizers
        self._sketches = Sketches(optimizers.all) if follows else None
        self._course = Course()
        self._memory = Memory()
        self._ceiling = math.inf
        self._notices = Notices()

    # -- what is seen --------------------------------------------------------------------------

    def end_call(self, records: int, val_loss: float | None) -> Call:
        """What is known at the end of a call, averaged over all ranks; counts the call.

        Raises:
            RuntimeError: no loss was recorded, or ranks that disagree or do not answer.
        """
        epoch = self.epoch + 1
        self._notices.foreign_writes(epoch, self._optimizers)
        if self._settings.passed(epoch):
            self._notices.past_the_end(epoch, self._settings)
        call = self.history.losses.end_call(self._optimizers.reference, records)
        finite_val = val_loss is None or math.isfinite(val_loss)
        buffers = self.recovery.buffers
        self._notices.losses(epoch, bad=call.bad, val_finite=finite_val, buffers=buffers)
        call = replace(
            call,
            epoch=epoch,
            val_loss=val_loss if finite_val else None,
            moved=self.logged_movement if self._sketches is None else self._sketches.movement(),
            losses=call.losses if self._ends_period else (),
        )
        parts = None if self._sketches is None else self._sketches.parts
        call, copies = over_ranks(call, parts, copies=self.recovery.copies is not None, group=self._group)
        if not copies and self.recovery.copies is not None:
            self.recovery.copies = None
            self._notices.no_copies(epoch)
        if not call.steps:
            raise RuntimeError("step() without a loss: call record(loss) after every optimizer step")
        self.epoch = epoch
        return self._estimated(call)

    def _estimated(self, call: Call) -> Call:
        """The same with what the network says of it, where it is one that sees movement."""
        if not isinstance(self._network, Estimator) or not (call.kept and call.means and call.lr):
            return call
        self._course.add(call)
        if call.moved is not None and not call.moved.step > 0:
            return call  # weights that stand still altogether say nothing of an LR
        total = None if self._settings.passed(self.epoch) else self._settings.total_calls
        seen = observe(self._course, None if total is None else self.epoch / total)
        return replace(call, estimate=self._network.estimate(seen))

    @property
    def _ends_period(self) -> bool:
        if isinstance(self._network, Estimator):
            return True  # it answers at every call
        return self.history.calls + 1 == self._settings.period

    # -- what follows --------------------------------------------------------------------------

    def decide(self, call: Call) -> Decision | None:
        """The decision that a call brings, already applied; None between decisions."""
        if not call.kept or not call.lr:  # the warmup, or an LR that a schedule has brought to 0
            self.history.drop_period()
            return None
        found = self.recovery.judge(call, ends_period=self._ends_period)
        if found.reason:
            if call.bad and found.restore and not self.recovery.buffers:
                self._notices.buffers(call.epoch, "losses are not finite", stacklevel=5)
            return self._go_back(found)
        if self._settings.anneals(self.epoch):
            return self._anneal()
        if not math.isfinite(call.mean):
            self.history.drop_period()
            return None
        decision = self._by_distance(call) if isinstance(self._network, Estimator) else self._by_window(call)
        if decision is not None and decision.multiplier > 1 and self._optimizers.in_control:
            self.recovery.raised(call, decision.multiplier)
        return decision

    def _by_distance(self, call: Call) -> Decision | None:
        """Of a network that sees movement."""
        self.history.drop_period()
        overfits = distance.overfitting(self._course, self.recovery.val_noise)
        move = distance.decide(
            call,
            self._course,
            self._memory,
            policy=self._settings.policy,
            period=self._settings.period,
            anneals=self._settings.anneal_to_come(self.epoch),
            overfits=overfits,
            ceiling=self._ceiling,
        )
        if move is None:
            return None
        if overfits is not None and move.multiplier < 1 and call.distance > -distance.LOW:
            self._ceiling = min(self._ceiling, call.lr * distance.BELOW)
        self._memory = move.after
        said = CERTAIN["keep"] if call.estimate is None else call.estimate.probabilities
        known = None if call.estimate is None else call.distance
        return replace(self._apply(move, said, move.note), distance=known, overfits=overfits)

    def _by_window(self, call: Call) -> Decision | None:
        """Of the paper's network, which sees losses and LRs of three periods."""
        assert isinstance(self._network, Network)
        history = self.history
        history.end_call(call.val_loss, call.lr)
        if history.calls < self._settings.period:
            return None
        periods = history.end_period(call.losses, call.stride)
        window = featurise(periods)
        said = self._network.probabilities(window)
        move = probabilities.decide(
            self._settings.policy,
            self._memory,
            said,
            history.last_val_losses(),
            noise=self.recovery.val_noise,
            anneals=self._settings.anneal_to_come(self.epoch),
        )
        span = f"{history.window_calls} epoch{'s' if history.window_calls > 1 else ''}"
        reason = probabilities.reason(periods, window, span, said, move.action, move.note)
        decision = self._apply(move, said, reason)
        moved = decision.multiplier if self._optimizers.in_control else 1.0
        self._memory = move.after._replace(multiplier=moved)
        return decision

    def _go_back(self, found: Verdict) -> Decision:
        self.history.drop_period()
        if found.fresh or found.restore == "initial":
            self.history.clear()
            self._course = Course()
        if found.factor < 1:
            self._ceiling = min(self._ceiling, self._optimizers.reference * distance.BELOW)
        restored = self.recovery.restore(found)
        if restored is not None and self._sketches is not None:
            self._sketches.jumped()
        factor = found.factor
        if found.source == "trial" and self._settings.anneals(self.epoch):
            factor *= self._settings.anneal_factor(self.epoch)
        self._memory = INTERRUPTED
        action = Action.KEEP if factor == 1 else Action.RAISE if factor > 1 else Action.LOWER
        move = Move(action, factor)
        decision = self._apply(
            move, CERTAIN[action.label], found.reason, source=found.source, restored=restored
        )
        if restored is not None:
            warnings.warn(f"call {self.epoch}: {found.reason}", RecoveryWarning, stacklevel=4)
            if self.on_restore is not None:
                self.on_restore(decision)
        return decision

    def _anneal(self) -> Decision | None:
        self.history.drop_period()
        factor = self._settings.anneal_factor(self.epoch)
        if factor == 1:  # the last call: if the training goes on, what lies before the anneal counts no more
            self.history.clear()
            self._memory = self._memory._replace(multiplier=1.0)
            return None
        reason = f"final anneal before call {self.epoch + 1} of {self._settings.total_calls}"
        return self._apply(Move(Action.LOWER, factor), CERTAIN["lower"], reason, source="anneal")

    def _apply(
        self,
        move: Move,
        said: tuple[float, float, float],
        reason: str,
        *,
        source: Source = "network",
        restored: int | None = None,
    ) -> Decision:
        before, after = self._optimizers.move(move.multiplier)
        return Decision(
            action=move.action,
            probabilities=said,
            lr_before=before,
            lr_after=after,
            epoch=self.epoch,
            reason=reason,
            source=source,
            restored=restored,
        )

    # -- resume --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {
            "epoch": self.epoch,
            "history": self.history.state_dict(),
            "policy": self._memory.as_dict(),
            "sketches": None if self._sketches is None else self._sketches.state_dict(),
            "told": sorted(self._notices.told),
            "course": self._course.state_dict(),
            "ceiling": self._ceiling,
            **self.recovery.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        if not isinstance(state, dict):
            raise TypeError(f"got {state!r:.60}, need a dict")
        self.epoch = int(state["epoch"])
        self.history.load_state_dict(state["history"])
        self._memory = Memory.from_dict(state["policy"])
        self._notices.told = set(state["told"])
        self._course, self._ceiling = Course.from_state(state["course"]), float(state["ceiling"])
        if self._sketches is not None:
            if state["sketches"] is None:
                self._sketches.restart()
            else:
                self._sketches.load_state_dict(state["sketches"])
        self.recovery.load_state_dict(state)
