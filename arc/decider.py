"""What follows from a call of ``step()``: nothing, the network's decision, or a guard's."""

from __future__ import annotations

import math
from typing import Any

import torch

from arc.actions import Action, softmax
from arc.decision import Decision
from arc.history.features import featurise
from arc.history.periods import History
from arc.history.report import Report, over_ranks
from arc.network.network import Network
from arc.optimizers.handle import Optimizers
from arc.policy import words
from arc.policy.default import PAPER, RESTART, Move, PolicyState
from arc.recovery.guards import FAR, STILL, LossWatch
from arc.recovery.pulse import ALIVE
from arc.recovery.recovery import Recovery
from arc.settings import Settings

GUARD = (0.0, 0.0, 1.0)
"""Probabilities of a guard's decision: it lowers without asking the network."""
FIRST_START = (1.0, 0.0, 0.0)
"""Probabilities of the decision that goes back to the first of two starts, whose LR was higher."""


class Decider:
    """Joins history, network, policy and guards; :meth:`call` is one call of ``step()``."""

    def __init__(
        self, network: Network, settings: Settings, steering: Optimizers, recovery: Recovery
    ) -> None:
        self.history = History()
        self.epoch = 0
        self._network = network.eval()
        self._settings = settings
        self._steering = steering
        self._recovery = recovery
        self._policy = PolicyState(settings.policy, anneals=settings.annealed_epochs > 0)
        self._watch = LossWatch()

    def report(self, records: int, val_loss: float | None) -> Report:
        """What is known at the end of a call, averaged over all ranks; counts the call.

        Raises:
            RuntimeError: no loss was recorded, or ranks that disagree or do not answer.
        """
        self.epoch += 1
        losses = self.history.losses
        kept, call, ends = len(losses), losses.end_call(), self._ends_period
        lr = self._steering.reference
        report = Report(
            epoch=self.epoch,
            lr=lr,
            records=records,
            kept=kept,
            val_loss=val_loss,
            mean=call.mean,
            low=call.low,
            high=call.high,
            first=call.first,
            moved=self._recovery.moved() if kept else math.nan,
            pulse=self._recovery.pulse(lr) if kept else math.nan,
            stride=losses.stride,
            losses=call.period if ends else (),
        )
        report = over_ranks(report)
        if not report.records:
            raise RuntimeError("step() without a loss: call record(loss) after every optimizer step")
        return report

    @property
    def _ends_period(self) -> bool:
        return self.history.calls + 1 == self._settings.period

    def call(self, report: Report) -> Decision | None:
        """The decision that a report brings, already applied; None between decisions."""
        if not report.kept or not report.lr:  # the warmup, or an LR that a schedule has brought to 0
            self.history.drop_period()
            return None
        if self._recovery.in_second_start and (back := self._end_second_start(report)):
            return back
        trouble = self._watch.trouble(report, explosions=self._settings.policy != PAPER)
        if not trouble and self._recovery.in_start and self._watch.ruined(report):
            trouble = "the start ruined the net, training loss at or far above its first value"
        if trouble and self._recovery.settle(report, trouble=True):
            return self._take_back(f"{trouble} after a raise, went back to the state before it")
        if trouble:
            return self._rescue(trouble)
        if report.pulse < ALIVE and not self._settings.anneals(self.epoch):
            return self._rescue("most of the net has stopped to move, it is dead", dead=True)
        if self._recovery.first_call and report.moved >= FAR and (again := self._start_again(report)):
            return again
        if self._ends_period and self._settings.policy.undo and self._recovery.settle(report):
            return self._take_back("all losses got worse after a raise, went back to the state before it")
        self._recovery.keep(self.epoch)
        if self._settings.anneals(self.epoch):
            return self._anneal()
        self.history.end_call(report.val_loss, report.lr)
        return self._decide(report) if self.history.calls == self._settings.period else None

    def _decide(self, report: Report) -> Decision:
        periods = self.history.end_period(report.losses, report.stride)
        window = featurise(periods)
        with torch.inference_mode():
            probabilities = softmax(self._network(torch.from_numpy(window)[None])[0].tolist())
        still = report.moved < STILL
        move = self._policy.decide(probabilities, self.history.last_val_losses(), still=still)
        calls = self.history.window_calls
        span = f"{calls} epoch{'s' if calls > 1 else ''}"
        reason = words.reason(periods, window, span, probabilities, move.action, move.note)
        decision = self._apply(move, probabilities, reason)
        self._policy.applied(decision.multiplier if self._steering.in_control else 1.0)
        if decision.multiplier > 1 and self._settings.policy.undo:
            self._recovery.raised(report)
        return decision

    def _take_back(self, note: str) -> Decision:
        self.history.drop_period()
        move = self._policy.taken_back(note)
        if self._settings.anneals(self.epoch):
            move = move._replace(multiplier=move.multiplier * self._settings.anneal_factor(self.epoch))
        return self._apply(move, GUARD, note)

    def _start_again(self, report: Report) -> Decision | None:
        note = f"moved by {report.moved:.1f} times its norm in the first call, starts again at a lower LR"
        decision = self._apply(Move(Action.LOWER, RESTART), GUARD, note)
        if decision.multiplier == 1:  # at the lower bound
            return None
        self.history.drop_period()
        self._recovery.start_again(report, decision.multiplier)
        return decision

    def _end_second_start(self, report: Report) -> Decision | None:
        assert self._watch.first is not None
        multiplier = self._recovery.end_second_start(report, self._watch.first)
        if multiplier == 1:
            self._watch.restart()
            return None
        self.history.drop_period()
        note = "the loss fell far less at the lower LR, went back to the first start"
        return self._apply(Move(Action.RAISE, multiplier), FIRST_START, note)

    def _rescue(self, trouble: str, *, dead: bool = False) -> Decision:
        self.history.drop_period()
        restored = self._recovery.go_back(dead=dead)
        restart = restored == "initial"
        if restart:
            self.history.clear()
            self._watch.restart()
        multiplier = self._policy.rescue(restart=restart)
        went_back = f", went back to the {restored} state" if restored else ""
        return self._apply(Move(Action.LOWER, multiplier), GUARD, trouble + went_back)

    def _anneal(self) -> Decision | None:
        self.history.drop_period()
        factor = self._settings.anneal_factor(self.epoch)
        if factor == 1:
            return None
        reason = f"final anneal before epoch {self.epoch + 1} of {self._settings.total_epochs}"
        return self._apply(Move(Action.LOWER, factor), GUARD, reason)

    def _apply(self, move: Move, probabilities: tuple[float, float, float], reason: str) -> Decision:
        before, after = self._steering.move(move.multiplier)
        return Decision(
            action=move.action,
            probabilities=probabilities,
            lr_before=before,
            lr_after=after,
            epoch=self.epoch,
            reason=reason,
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {
            "epoch": self.epoch,
            "history": self.history.state_dict(),
            "watch": self._watch.state_dict(),
            "policy": self._policy.state_dict(),
            "recovery": self._recovery.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        if not isinstance(state, dict):
            raise TypeError(f"got {state!r:.60}, need a dict")
        self.epoch = int(state["epoch"])
        self.history.load_state_dict(state["history"])
        self._watch.load_state_dict(state["watch"])
        self._policy.load_state_dict(state["policy"])
        self._recovery.load_state_dict(state["recovery"])
