"""One figure of a run: LR with the actions, losses, and what the weights say of the LR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arc.actions import Action
from arc.decision import Decision
from arc.history.course import Call

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {Action.RAISE: ("^", "tab:green"), Action.KEEP: ("o", "tab:gray"), Action.LOWER: ("v", "tab:red")}


class LogRow(NamedTuple):
    """A call of ``step()`` as logs and figures show it; ``train_loss`` is the mean since the one before.

    ``cosine`` is that of the call's change of the weights and the one before, ``distance`` log10(LR / best
    LR) as the network estimated it; None where they are not known.
    """

    epoch: int
    lr: float
    train_loss: float
    val_loss: float | None
    cosine: float | None = None
    distance: float | None = None

    @classmethod
    def of(cls, call: Call) -> LogRow:
        """What is shown of a call."""
        cosine = math.nan if call.moved is None else call.moved.cosine
        known = (None if math.isnan(value) else value for value in (cosine, call.distance))
        return cls(call.epoch, call.lr, call.mean, call.val_loss, *known)


SIGNS = {
    "distance": "LR above (+) or\nbelow (-) the best,\ndecades",
    "cosine": "cosine of two\nchanges of\nthe weights",
}
"""What is drawn of the weights' movement, where it is known, and the label of its axis."""


def points(log: Sequence[LogRow], name: str) -> list[tuple[float, float]]:
    """Calls and values of what may be missing in some of them."""
    return [(call.epoch, value) for call in log if (value := getattr(call, name)) is not None]


def spans_decades(log: Sequence[LogRow]) -> bool:
    """Whether a logarithmic axis shows the losses better: all positive, the largest ten times the least."""
    losses = [v for c in log for v in (c.train_loss, c.val_loss) if v is not None and math.isfinite(v)]
    return bool(losses) and min(losses) > 0 and max(losses) > 10 * min(losses)


def draw(log: Sequence[LogRow], decisions: Sequence[Decision], path: str | Path | None = None) -> Figure:
    """The figure, also written to ``path`` if there is one.

    Raises:
        ValueError: nothing was logged yet.
        ImportError: without matplotlib.
    """
    if not log:
        raise ValueError(
            "nothing to draw before the first call of step(); a callback makes it where an evaluation or "
            "epoch ends, after at least one step of the optimizer"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot() needs matplotlib: pip install 'arc-lr[plot]'") from error
    signs = {name: found for name in SIGNS if (found := points(log, name))}
    heights = [2.0, 2.0, *(1.0 for _ in signs)]
    figure = Figure(figsize=(8, 1.5 * sum(heights)), layout="constrained")
    panels: Any = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    above, below = panels[:2]
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
    if measured := points(log, "val_loss"):
        below.plot(*zip(*measured, strict=True), label="validation loss")
    below.set(ylabel="loss", yscale="log" if spans_decades(log) else "linear")
    below.legend()
    for panel, (name, found) in zip(panels[2:], signs.items(), strict=True):
        panel.axhline(0, color="tab:gray", linewidth=0.8)
        panel.plot(*zip(*found, strict=True), color="tab:blue")
        panel.set(ylabel=SIGNS[name])
    panels[-1].set(xlabel="call of step()")
    if path is not None:
        figure.savefig(path)
    return figure


def _mark(axes: Axes, decisions: Sequence[Decision], marker: str, color: str, label: str) -> None:
    lrs = [next((lr for lr in d.lr_after if lr > 0), 0.0) for d in decisions]
    axes.plot([d.epoch + 0.5 for d in decisions], lrs, marker, color=color, label=label)
