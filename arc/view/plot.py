"""One figure of a run: LR with the actions above, losses below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arc.actions import Action
from arc.decision import Decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {Action.RAISE: ("^", "tab:green"), Action.KEEP: ("o", "tab:gray"), Action.LOWER: ("v", "tab:red")}


class Logged(NamedTuple):
    """One call of ``step()``; ``train_loss`` is the mean since the call before."""

    epoch: int
    lr: float
    train_loss: float
    val_loss: float | None


def spans_decades(log: Sequence[Logged]) -> bool:
    """Whether a logarithmic axis shows the losses better: all positive, the largest ten times the least."""
    losses = [v for c in log for v in (c.train_loss, c.val_loss) if v is not None and math.isfinite(v)]
    return bool(losses) and min(losses) > 0 and max(losses) > 10 * min(losses)


def draw(log: Sequence[Logged], decisions: Sequence[Decision], path: str | Path | None = None) -> Figure:
    """The figure, also written to ``path`` if there is one.

    Raises:
        ValueError: nothing was logged yet.
        ImportError: without matplotlib.
    """
    if not log:
        raise ValueError("got no call of step() yet, there is nothing to draw")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot() needs matplotlib: pip install arc-lr[plot]") from error
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    epochs = [entry.epoch for entry in log]
    above.step(epochs, [entry.lr for entry in log], where="mid", color="tab:blue")
    for action, (marker, color) in MARKS.items():
        _mark(
            above,
            [d for d in decisions if d.action is action and d.restored is None],
            marker,
            color,
            action.label,
        )
    if rewinds := [d for d in decisions if d.restored is not None]:
        _mark(above, rewinds, "X", "black", "rewind")
    above.set(yscale="log", ylabel="learning rate")
    above.legend()
    below.plot(epochs, [entry.train_loss for entry in log], label="training loss")
    measured = [(entry.epoch, entry.val_loss) for entry in log if entry.val_loss is not None]
    if measured:
        below.plot(*zip(*measured, strict=True), label="validation loss")
    below.set(xlabel="call of step()", ylabel="loss", yscale="log" if spans_decades(log) else "linear")
    below.legend()
    if path is not None:
        figure.savefig(path)
    return figure


def _mark(axes: Axes, decisions: Sequence[Decision], marker: str, color: str, label: str) -> None:
    lrs = [next((lr for lr in d.lr_after if lr > 0), 0.0) for d in decisions]
    axes.plot([d.epoch + 0.5 for d in decisions], lrs, marker, color=color, label=label)
