"""What the controller would have done: decisions on a saved log, without touching a run."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc.controller import Controller
from arc.decision import Decision
from arc.network import weights
from arc.optimizers import learning_rates
from arc.policy.default import Policy, PolicyName
from arc.view import logs


class StandIn:
    """In the place of an optimizer: its groups' LRs are the log's."""

    def __init__(self, *values: float) -> None:
        self.param_groups = [{"lr": value} for value in values]

    def set(self, *values: float) -> None:
        """Every group's LR, as the log has it of a call."""
        learning_rates.write(self.param_groups, values)


def replay(
    calls: Sequence[logs.Interval],
    *,
    path: str | Path | None = None,
    period: int = 3,
    policy: Policy | PolicyName = "default",
    lr: float | None = None,
) -> Controller:
    """A controller in mode ``advise`` that has seen the whole log; ask it for ``decisions`` and ``plot()``.

    Args:
        calls: as :func:`arc.view.logs.calls` cuts them from a log.
        path: a controller directory; the shipped controller by default.
        period: calls from one decision to the next.
        policy: as for :class:`arc.Controller`.
        lr: the LR of the run, where the log has none.

    Raises:
        LogError: an empty log, or one without an LR (or with no other than 0).
        ValueError: an LR that is negative or not finite.
    """
    if not calls:
        raise logs.LogError("the log has no training loss before its first validation loss or epoch end")
    values = [call.lr if call.lr is not None else lr for call in calls]
    if None in values:
        raise logs.LogError("the log has no LR: give the run's with --lr 0.001, or its name with --lr-name")
    if not any(values):
        raise logs.LogError("the log's LR is 0 in every call, is it the right name? see --lr-name")
    optimizer: Any = StandIn(next(value for value in values if value))
    controller = Controller(
        optimizer, network=weights.load(path), period=period, policy=policy, mode="advise", verbose=False
    )
    for call, value in zip(calls, values, strict=True):
        optimizer.set(value)
        for loss in call.train_loss:
            controller.record(loss)
        controller.step(call.val_loss)
    return controller


def width() -> int | None:
    """Columns of the terminal on standard output, None where it is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(decisions: Sequence[Decision], *, width: int | None = None) -> str:
    """The decisions, one a line; within ``width`` columns, if given, reasons are wrapped in theirs.

    ``off`` is the estimated distance of the LR from the best one, in decades.
    """
    shares = f"{'raise':>5} {'keep':>5} {'lower':>5}"
    lines = [f"{'call':>5} {'LR':>9} {'action':<6} {shares} {'new LR':>9} {'off':>4}  reason"]
    for d in decisions:
        shares = " ".join(f"{p:5.2f}" for p in d.probabilities)
        before, after = d.lr_before[0], d.lr_after[0]
        off = "-" if d.distance is None else f"{d.distance:+.1f}"
        front = f"{d.epoch:>5} {before:9.2e} {d.action.label:<6} {shares} {after:9.2e} {off:>4}  "
        room = max(20, width - len(front)) if width else len(d.reason) + 1
        for part in textwrap.wrap(d.reason, room) or [""]:
            lines.append(front + part)
            front = " " * len(front)
    return "\n".join(lines)
