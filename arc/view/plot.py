"""One figure of a run: LR with the actions above, losses below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arc.actions import Action
from arc.decision import Decision

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = {Action.RAISE: ("^", "tab:green"), Action.KEEP: ("o", "tab:gray"), Action.LOWER: ("v", "tab:red")}


class Logged(NamedTuple):
    """One call of ``step()``; ``train_loss`` is the mean since the call before."""

    epoch: int
    lr: float
    train_loss: float
    val_loss: float | None


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
        made = [d for d in decisions if d.action is action]
        lrs = [next((lr for lr in d.lr_after if lr > 0), 0.0) for d in made]
        above.plot([d.epoch + 0.5 for d in made], lrs, marker, color=color, label=action.label)
    above.set(yscale="log", ylabel="learning rate")
    above.legend()
    below.plot(epochs, [entry.train_loss for entry in log], label="training loss")
    measured = [(entry.epoch, entry.val_loss) for entry in log if entry.val_loss is not None]
    if measured:
        below.plot(*zip(*measured, strict=True), label="validation loss")
    below.set(xlabel="call of step()", ylabel="loss")
    below.legend()
    if path is not None:
        figure.savefig(path)
    return figure
