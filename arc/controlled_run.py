"""One call of ``step()``: what was seen, what the network says of it, and the decision that follows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from arc.actions import Action
from arc.decision import Decision
from arc.history.course import Call, Course
from arc.history.movement import Movement
from arc.history.observation import observe
from arc.history.periods import History
from arc.history.ranks import over_ranks
from arc.history.sketch import Sketches
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.notices import Notices
from arc.optimizers.handle import CERTAIN, Optimizers
from arc.policy import distance, probabilities
from arc.policy.probabilities import Move
from arc.recovery.copies import Copies
from arc.recovery.going_back import GoingBack
from arc.recovery.state import Verdict
from arc.settings import Settings


class ControlledRun:
    """Joins the rooms. It holds no rule: those on moves are in ``policy``, on ways back in ``recovery``.

    Args:
        network: answers windows of history.
        settings: of the controller.
        optimizers: whose LRs move.
        copies: states to go back to; None guards the LR alone.
        group: process group of the ranks that train together; None: all.
    """

    def __init__(
        self,
        network: Network | Estimator,
        settings: Settings,
        optimizers: Optimizers,
        copies: Copies | None,
        group: Any = None,
    ) -> None:
        self.history = History()
        self.recovery = GoingBack(settings, optimizers, copies)
        self.epoch = 0
        self.logged_movement: Movement | None = None
        """How the weights moved in the call that ends next, where a log tells it (a replay)."""
        self._group = group
        self._network = network.eval()
        self._settings = settings
        self._optimizers = optimizers
        self.sketches = Sketches(optimizers.all) if optimizers.of_torch else None
        self.course = Course()
        self.course_kept = Course()
        """That of the good state: of a net that is put back, what came after it tells nothing."""
        self.notices = Notices()

    # -- what is seen --------------------------------------------------------------------------

    def end_call(self, records: int, val_loss: float | None) -> Call:
        """What is known at the end of a call, averaged over all ranks; counts the call.

        Raises:
            RuntimeError: no loss was recorded, or ranks that disagree or do not answer.
        """
        epoch = self.epoch + 1
        self.notices.begin(epoch, self._optimizers, self._settings)
        call = self.history.losses.end_call(self._optimizers.reference, records)
        self.notices.losses(epoch, call.bad, val_loss)
        call = replace(
            call,
            epoch=epoch,
            val_loss=None if val_loss is None or not math.isfinite(val_loss) else val_loss,
            moved=self.logged_movement if self.sketches is None else self.sketches.movement(),
            losses=call.losses if self._ends_period else (),
        )
        parts = None if self.sketches is None else self.sketches.parts
        mine = self.recovery.kept
        call, kept = over_ranks(call, parts, kept=mine, group=self._group)
        self.recovery.keep_common(kept)
        if mine and not kept:
            self.notices.no_copies(epoch)
        if not call.steps:
            raise RuntimeError(
                "step() without a loss since the last call: call record(loss) after every optimizer step; "
                "where there are validation losses alone, take arc.Scheduler"
            )
        self.epoch = epoch
        if isinstance(self._network, Estimator):  # the paper's does not look at movement
            self.notices.course(call, self._optimizers)
        return self._estimated(call)

    def _estimated(self, call: Call) -> Call:
        """The same with what the network says of it, where it is one that sees movement."""
        if not isinstance(self._network, Estimator) or not (call.kept and call.means and call.lr):
            return call
        self.course.add(call)
        if call.moved is not None and not call.moved.step > 0:
            return call  # weights that stand still altogether say nothing of an LR
        seen = observe(self.course, self._settings.share_done(self.epoch))
        return replace(call, estimate=self._network.estimate(seen))

    @property
    def _ends_period(self) -> bool:  # an estimator answers at every call
        return isinstance(self._network, Estimator) or self.history.calls + 1 == self._settings.period

    # -- what follows --------------------------------------------------------------------------

    def decide(self, call: Call) -> Decision | None:
        """The decision that a call brings, already applied; None between decisions."""
        if not call.kept or not call.lr:  # the warmup, or an LR that a schedule has brought to 0
            self.history.drop_period()
            return None
        found = self.recovery.judge(call, ends_period=self._ends_period)
        if found.keep:
            self.course_kept = self.course.copy()
        if found.reason:
            return self._go_back(found)
        if self._settings.anneals(self.epoch):
            return self._anneal()
        if not math.isfinite(call.mean):
            self.history.drop_period()
            return None
        decision = self._by_distance(call) if isinstance(self._network, Estimator) else self._by_window(call)
        if decision is not None and self._optimizers.in_control:
            self.recovery.moved(call, decision.multiplier)
        return decision

    def _by_distance(self, call: Call) -> Decision | None:
        """Of a network that sees movement."""
        self.history.drop_period()
        overfits = distance.overfitting(self.course, self.recovery.val_noise)
        move = distance.decide(
            call,
            self.course,
            policy=self._settings.policy,
            period=self._settings.period,
            anneals=self._settings.anneal_to_come(self.epoch),
            scheduled=self._optimizers.scheduled,
            overfits=overfits,
            most=self.recovery.most(call),
        )
        if move is None:
            return None
        if overfits is not None and move.multiplier < 1 and call.distance > -distance.LOW:
            self.recovery.stay_below(call.lr)
        told = call.estimate
        said, known = (told.probabilities, told.distance) if told else (CERTAIN[Action.KEEP], None)
        return replace(self._move(move, said, move.note), distance=known, overfits=overfits)

    def _by_window(self, call: Call) -> Decision | None:
        """Of the paper's network, which sees losses and LRs of three periods."""
        assert isinstance(self._network, Network)
        history = self.history
        history.end_call(call.val_loss, call.lr)
        if history.calls < self._settings.period:
            return None
        move, said, reason = probabilities.of_window(
            history, call, self._network.probabilities, self._settings.policy
        )
        return self._move(move, said, reason)

    def _go_back(self, found: Verdict) -> Decision:
        self.history.drop_period()
        if found.fresh or found.restore == "initial":
            self.history.clear()
            self.course = Course()
        decision = self.recovery.carry_out(found, self.epoch)
        if decision.restored is not None:
            if found.restore == "good":
                self.course = self.course_kept.copy()
            if self.sketches is not None:
                self.sketches.jumped()
            self.recovery.tell(decision)
        return decision

    def _anneal(self) -> Decision | None:
        self.history.drop_period()
        factor = self._settings.anneal_factor(self.epoch)
        if factor == 1:  # the last call: if the training goes on, what lies before the anneal counts no more
            self.history.clear()
            return None
        reason = f"final anneal before call {self.epoch + 1} of {self._settings.total_calls}"
        return self._optimizers.carry_out(factor, epoch=self.epoch, reason=reason, source="anneal")

    def _move(self, move: Move, said: tuple[float, float, float], reason: str) -> Decision:
        return self._optimizers.carry_out(
            move.multiplier, epoch=self.epoch, reason=reason, action=move.action, probabilities=said
        )
