"""A replay of a controller's own log: with the settings in it, and what it cannot know is said."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from arc.controller import Controller
from arc.decision import Decision, RecoveryWarning
from arc.network import weights
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.policy.default import PAPER, Policy, PolicyName
from arc.view.journal import RunLog
from arc.view.replay import StandIn

ALIKE: Final = 1e-3
"""Relative difference of two factors up to which they count as the same decision: a log has seven digits."""


def reproduce(
    log: RunLog,
    *,
    path: str | Path | None = None,
    period: int | None = None,
    policy: Policy | PolicyName | None = None,
) -> tuple[Controller, list[str]]:
    """Let a controller see what the run of a log saw, call by call at the LRs that the run had.

    No state is put back: what follows a way back is in the log.

    Args:
        log: as :func:`arc.view.journal.read` gives it.
        path: a controller directory; the shipped controller by default.
        period: in place of the log's.
        policy: in place of the log's.

    Returns:
        The controller (ask it for ``decisions`` and ``plot()``), and what is to be said of it.

    Raises:
        ValueError: a log without calls.
    """
    if not log.calls:
        raise ValueError("the log has no call of step() yet")
    network = weights.load(path)
    rules = _policy(log.settings) if policy is None else policy
    every = int(log.settings.get("period", 3)) if period is None else period
    ratios = _ratios(log)
    stand_in: Any = StandIn(*(ratio * log.calls[0].lr for ratio in ratios))
    names = ("total_calls", "min_lr", "max_lr", "mode")
    chosen: dict[str, Any] = {name: log.settings[name] for name in names if name in log.settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)  # the run has said it
        controller = Controller(
            stand_in, network=network, policy=rules, period=every, rollback=False, verbose=False, **chosen
        )
        if _keeps_copies(log.settings, controller.settings.policy):
            copies: Any = _Remembered()
            copies.take("initial")
            controller._decider.recovery.copies = copies
        _drive(controller, stand_in, log, ratios)
    ours = {decision.epoch: decision for decision in controller.decisions}
    same = sum(_alike(ours.get(theirs.epoch), theirs) for theirs in log.decisions)
    said = f"{same} of the run's {len(log.decisions)} decisions reproduced"
    return controller, [*_notes(log, network, every, chosen), said]


class _Remembered:
    """In the place of copies: which there are and of which calls, without a state."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._calls)

    def take(self, name: str, *, call: int = 0) -> None:
        self._calls[name] = call

    def restore(self, name: str) -> int:
        return self._calls[name]

    def drop(self, name: str) -> None:
        self._calls.pop(name, None)


def _keeps_copies(settings: dict[str, Any], policy: Policy) -> bool:
    asked = settings.get("rollback", False)
    if asked is False or settings.get("mode") == "advise":
        return False
    return asked != "auto" or policy is not PAPER


def _drive(controller: Controller, stand_in: StandIn, log: RunLog, ratios: list[float]) -> None:
    """Make all calls, at the LRs of the log."""
    decider = controller._decider
    for call, seen in zip(log.calls, log.seen, strict=True):
        lrs = tuple(ratio * call.lr for ratio in ratios)
        stand_in.set(*lrs)
        controller._steering.left = lrs
        decider.epoch, decider.logged_movement = call.epoch - 1, seen.movement
        losses = seen.losses or [call.train_loss]
        for loss in losses:
            controller.record(loss)
        controller.step(call.val_loss, steps=len(losses) * seen.every)


def _policy(settings: dict[str, Any]) -> Policy:
    kept = {field.name: settings[field.name] for field in fields(Policy) if field.name in settings}
    policy = Policy(**kept)
    return PAPER if policy == PAPER else policy


def _ratios(log: RunLog) -> list[float]:
    """Of every parameter group's LR to the one that stands for all."""
    lrs = log.decisions[0].lr_before if log.decisions else ()
    reference = next((lr for lr in lrs if lr > 0), 0.0)
    return [lr / reference for lr in lrs] if reference else [1.0]


def _alike(ours: Decision | None, theirs: Decision) -> bool:
    if ours is None or ours.action is not theirs.action or ours.restored != theirs.restored:
        return False
    return math.isclose(ours.multiplier, theirs.multiplier, rel_tol=ALIKE)


def _notes(log: RunLog, network: Network | Estimator, period: int, chosen: dict[str, Any]) -> Iterator[str]:
    settings = ", ".join(f"{name}={value}" for name, value in {"period": period, **chosen}.items())
    yield f"with the run's settings: {settings}, and the rules in its log"
    if not log.network:
        yield "the log doesn't say which network decided: it may have been another one (--controller)"
    elif log.network != network.digest():
        yield f"the run's network was another one ({log.network}): give its directory with --controller"
    if not any(seen.movement for seen in log.seen):
        yield "the log holds no movement of the weights: rules that look at it do not speak"
    if any(seen.every > 1 for seen in log.seen):
        yield "its training losses are thinned: probabilities differ a little"
