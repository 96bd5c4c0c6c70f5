"""Carries out what follows from a call of ``step()``: the network's move, or a way back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from arc.actions import Action, softmax
from arc.decision import Decision, RecoveryWarning
from arc.history.course import Call, Course
from arc.history.features import featurise
from arc.history.movement import Movement
from arc.history.observation import observe
from arc.history.periods import History
from arc.history.report import Report, over_ranks
from arc.history.sketch import Sketches
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.optimizers.handle import Optimizers
from arc.policy import words
from arc.policy.default import PAPER, Move, PolicyState
from arc.policy.distance import allowed, approach, overfitting
from arc.recovery import phases
from arc.recovery.copies import Copies
from arc.recovery.phases import Situation, State, Verdict, verdict
from arc.recovery.yardstick import Yardstick
from arc.settings import Settings

CERTAIN = {"raise": (1.0, 0.0, 0.0), "keep": (0.0, 1.0, 0.0), "lower": (0.0, 0.0, 1.0)}
"""Probabilities of a decision for which the network was not asked."""
BELOW = 10**-0.5
"""No raise comes closer to an LR at which the run broke than to this share of it."""
UNKNOWN_LENGTH = 20
"""Calls (or six periods, if that is more) in which a run of unknown length may still begin again."""


class Decider:
    """Joins history, network, policy and recovery; :meth:`call` is one call of ``step()``.

    Args:
        network: answers windows of history.
        settings: of the controller.
        optimizers: whose LRs move.
        copies: states to go back to; None guards the LR alone.
        follows: whether the optimizers' parameters are torch's, so that their movement can be seen.
    """

    def __init__(
        self,
        network: Network | Estimator,
        settings: Settings,
        optimizers: Optimizers,
        copies: Copies | None,
        *,
        follows: bool,
    ) -> None:
        self.history = History()
        self.epoch = 0
        self.copies = copies
        self.logged_movement: dict[str, Any] = {}
        """How the weights moved in the call that ends next, where a log tells it (a replay)."""
        self.on_restore: Callable[[Decision], object] | None = None
        self._network = network.eval()
        self._settings = settings
        self._optimizers = optimizers
        self._policy = PolicyState(settings.policy, anneals=settings.annealed_epochs > 0)
        self._sketches = Sketches(optimizers.all) if follows else None
        self._yard = Yardstick()
        self._state = State()
        self._told: set[str] = set()
        self._course = Course()
        self._ceiling = math.inf
        self._probabilities = CERTAIN["keep"]
        if copies is not None:
            copies.take("initial")

    # -- what is seen --------------------------------------------------------------------------

    def report(self, records: int, val_loss: float | None) -> Report:
        """What is known at the end of a call, averaged over all ranks; counts the call.

        Raises:
            RuntimeError: no loss was recorded, or ranks that disagree or do not answer.
        """
        epoch = self.epoch + 1
        self._tell_foreign_writes()
        if self._settings.passed(epoch):
            self._go_on_past_the_end()
        losses = self.history.losses
        kept, call, ends = len(losses), losses.end_call(), self._ends_period
        finite_val = val_loss is not None and math.isfinite(val_loss)
        if call.bad and call.bad <= 0.5:
            self._tell_once("some training losses are not finite; they are left out while the weights are")
        if val_loss is not None and not finite_val:
            self._tell_once("a validation loss is not finite; it is left out")
        report = Report(
            epoch=epoch,
            lr=self._optimizers.reference,
            records=records,
            kept=kept,
            val_loss=val_loss if finite_val else None,
            mean=call.mean,
            first=call.first,
            bad=call.bad,
            blocks=call.blocks,
            points=call.points,
            spreads=call.spreads,
            stride=losses.stride,
            losses=call.period if ends else (),
            **self._movement(),
        )
        report = over_ranks(report)
        if not report.records:
            raise RuntimeError("step() without a loss: call record(loss) after every optimizer step")
        self.epoch = epoch
        return self._estimated(report)

    def _estimated(self, report: Report) -> Report:
        """The same with what the network says of the LR, where it is one that does."""
        if not isinstance(self._network, Estimator) or not (report.kept and report.points and report.lr):
            return report
        moved = Movement.unpacked(report.weights) if report.weights else None
        self._course.add(
            Call(
                lr=report.lr,
                steps=report.records,
                means=report.points,
                spreads=report.spreads,
                val_loss=report.val_loss,
                moved=moved,
            )
        )
        if moved is not None and not moved.step > 0:
            return report  # weights that stand still altogether say nothing of an LR
        total = None if self._settings.passed(self.epoch) else self._settings.total_calls
        seen = observe(self._course, None if total is None else self.epoch / total)
        with torch.inference_mode():
            answer = self._network(*(torch.from_numpy(part)[None] for part in seen))
        self._probabilities = softmax(answer.logits[0].tolist())
        return replace(report, distance=float(answer.distance), spread=float(answer.spread))

    def _movement(self) -> dict[str, Any]:
        """How the weights moved, as a report has it; nothing where they are not followed."""
        movement = None if self._sketches is None else self._sketches.movement()
        if movement is None or self._sketches is None:
            return self.logged_movement
        found: dict[str, Any] = {
            "whole": float(math.isfinite(movement.norm)),
            "moved": movement.distance / movement.start if movement.start > 0 else math.nan,
            "shift": 10 ** movement.tensor_step[2],
            "cosine": movement.cosine,
            "weights": movement.packed(),
        }
        return found

    @property
    def _ends_period(self) -> bool:
        if isinstance(self._network, Estimator):
            return True  # it answers at every call
        return self.history.calls + 1 == self._settings.period

    # -- what follows --------------------------------------------------------------------------

    def call(self, report: Report) -> Decision | None:
        """The decision that a report brings, already applied; None between decisions."""
        if not report.kept or not report.lr:  # the warmup, or an LR that a schedule has brought to 0
            self.history.drop_period()
            return None
        self._yard.begin(report)
        found = verdict(self._state, report, self._yard, self._situation)
        self._state = found.state
        if found.fresh:
            self._yard.restart()
        if found.good:
            self._yard.add(report)
        if self.copies is not None and found.keep:
            self.copies.take("good", call=report.epoch)
        if found.reason:
            return self._carry_out(found)
        self._forget_start()
        if self._settings.anneals(self.epoch):
            return self._anneal()
        if not math.isfinite(report.mean):
            self.history.drop_period()
            return None
        if isinstance(self._network, Estimator):
            return self._approach(report)
        self.history.end_call(report.val_loss, report.lr)
        return self._decide(report) if self.history.calls == self._settings.period else None

    @property
    def _situation(self) -> Situation:
        settings, total = self._settings, self._settings.total_calls
        return Situation(
            copies=self.copies is not None and self._optimizers.in_control,
            there=frozenset(() if self.copies is None else self.copies.names),
            strength=self._policy.strength,
            undo=settings.policy.undo,
            lowers=self._optimizers.allowed(phases.RESTART) != 1,
            explosions=settings.policy is not PAPER,
            start_calls=phases.START_PERIODS * settings.period,
            ends_period=self._ends_period,
            anneals=settings.anneals(self.epoch),
            relearns=2 * self.epoch <= total
            if total
            else self.epoch <= max(UNKNOWN_LENGTH, 6 * settings.period),
        )

    def _decide(self, report: Report) -> Decision:
        periods = self.history.end_period(report.losses, report.stride)
        window = featurise(periods)
        with torch.inference_mode():
            probabilities = softmax(self._network(torch.from_numpy(window)[None])[0].tolist())
        move = self._policy.decide(probabilities, self.history.last_val_losses(), noise=self._yard.val_noise)
        calls = self.history.window_calls
        span = f"{calls} epoch{'s' if calls > 1 else ''}"
        reason = words.reason(periods, window, span, probabilities, move.action, move.note)
        decision = self._apply(move, probabilities, reason)
        self._policy.applied(decision.multiplier if self._optimizers.in_control else 1.0)
        if decision.multiplier > 1 and self._optimizers.in_control:
            self._state = self._state.raised(report, decision.multiplier)
        return decision

    def _approach(self, report: Report) -> Decision | None:
        """Far from the best LR a move at once, near it the network's action once a period."""
        self.history.drop_period()
        settings = self._settings
        overfits = overfitting(self._course, self._yard.val_noise)
        anneals = settings.annealed_epochs > 0 and not settings.passed(self.epoch)
        plain = settings.policy is PAPER
        move = (
            None
            if plain
            else approach(
                report.distance,
                self._course,
                anneals=anneals,
                overfits=overfits,
                ceiling=self._ceiling / report.lr,
            )
        )
        if move is None:
            if self.epoch % settings.period:
                return None
            move = self._policy.decide(self._probabilities, [])
            if not plain and not allowed(move.action, report.distance, overfits=overfits, anneals=anneals):
                move = Move(Action.KEEP, 1.0)
        else:
            self._policy.forget()
        decision = replace(
            self._apply(move, self._probabilities, words.of_distance(report, overfits, move.note)),
            distance=None if math.isnan(report.distance) else report.distance,
            overfits=overfits,
        )
        if decision.multiplier > 1 and self._optimizers.in_control:
            self._state = self._state.raised(report, decision.multiplier)
        return decision

    def _carry_out(self, found: Verdict) -> Decision:
        self.history.drop_period()
        if found.fresh or found.restore == "initial":
            self.history.clear()
            self._course = Course()
        if found.factor < 1:
            self._ceiling = min(self._ceiling, self._optimizers.reference * BELOW)
        restored = None
        if found.restore and self.copies is not None:
            restored = self.copies.restore(found.restore)
            if self._sketches is not None:
                self._sketches.jumped()
        factor = found.factor
        if found.source == "trial" and self._settings.anneals(self.epoch):
            factor *= self._settings.anneal_factor(self.epoch)
        self._policy.forget()
        action = Action.KEEP if factor == 1 else Action.RAISE if factor > 1 else Action.LOWER
        decision = self._apply(
            Move(action, factor), CERTAIN[action.label], found.reason, source=found.source, restored=restored
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
            self._policy.applied(1.0)
            return None
        reason = f"final anneal before call {self.epoch + 1} of {self._settings.total_calls}"
        return self._apply(Move(Action.LOWER, factor), CERTAIN["lower"], reason, source="anneal")

    def _apply(
        self,
        move: Move,
        probabilities: tuple[float, float, float],
        reason: str,
        *,
        source: phases.Source = "network",
        restored: int | None = None,
    ) -> Decision:
        before, after = self._optimizers.move(move.multiplier)
        return Decision(
            action=move.action,
            probabilities=probabilities,
            lr_before=before,
            lr_after=after,
            epoch=self.epoch,
            reason=reason,
            source=source,
            restored=restored,
        )

    def _forget_start(self) -> None:
        """Give the copy of the initial state up once nothing leads back to it."""
        if self.copies is None or "initial" not in self.copies.names:
            return
        now = self._situation
        if not phases.in_start(self._state, now) and not now.relearns:
            self.copies.drop("initial")

    def _go_on_past_the_end(self) -> None:
        """No anneal is to come any more; its LR is where the decisions go on from."""
        self._policy.anneals = False
        n = self._settings.annealed_epochs
        left = f"the final anneal is over and has left the LR at 1/{n + 1}; " if n else ""
        self._tell_once(
            f"the training goes on past total_calls={self._settings.total_calls}: {left}decisions go on from "
            "there. total_calls counts calls of step(), every evaluation is one: correct it or leave it out",
            key="past total_calls",
        )

    def _tell_foreign_writes(self) -> None:
        """An LR that the user's own loop sets undoes every decision."""
        for group, expected, found in self._optimizers.foreign():
            if found and expected:  # 0 freezes a group, and is no schedule
                self._tell_once(
                    f"the LR of parameter group {group} was set to {found:.3g} where ARC had left "
                    f'{expected:.3g}: a loop that sets group["lr"] undoes every decision; remove it, or give '
                    "the schedule to ARC as a torch scheduler (scheduler=...)",
                    key="foreign write",
                )

    def _tell_once(self, what: str, *, key: str = "") -> None:
        if (key or what) not in self._told:
            self._told.add(key or what)
            warnings.warn(f"call {self.epoch + 1}: {what}", RecoveryWarning, stacklevel=4)

    # -- resume --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {
            "epoch": self.epoch,
            "history": self.history.state_dict(),
            "policy": self._policy.state_dict(),
            "state": self._state.as_dict(),
            "yardstick": self._yard.state_dict(),
            "sketches": None if self._sketches is None else self._sketches.state_dict(),
            "copies": None if self.copies is None else self.copies.state_dict(),
            "told": sorted(self._told),
            "course": self._course.state_dict(),
            "ceiling": self._ceiling,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`.

        Copies that were not kept then begin with the next good call; what was kept and is not asked for any
        more is dropped. Without the initial state nothing leads back to it.
        """
        if not isinstance(state, dict):
            raise TypeError(f"got {state!r:.60}, need a dict")
        self.epoch = int(state["epoch"])
        self.history.load_state_dict(state["history"])
        self._policy.load_state_dict(state["policy"])
        self._state = State.from_dict(state["state"])
        self._yard.load_state_dict(state["yardstick"])
        self._told = set(state["told"])
        self._course, self._ceiling = Course.from_state(state["course"]), float(state["ceiling"])
        if self._sketches is not None:
            if state["sketches"] is None:
                self._sketches.restart()
            else:
                self._sketches.load_state_dict(state["sketches"])
        if self.copies is not None:
            self.copies.load_state_dict(state["copies"] or {})
