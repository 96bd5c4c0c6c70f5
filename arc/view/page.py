"""A run's page: one HTML file that opens from disk, with nothing to fetch."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Sequence
from html import escape
from typing import Final

from arc._version import __version__
from arc.decision import Decision
from arc.view.journal import RunLog
from arc.view.plot import points, spans_decades
from arc.view.svg import Line, Mark, chart

ROWS: Final = 200
"""Decisions in the table, the newest ones."""

_HEAD: Final = (
    '<tr><th>call</th><th class="detail">LR</th><th></th><th class="detail">raise</th>'
    '<th class="detail">keep</th><th class="detail">lower</th><th>new LR</th>'
    '<th class="reason">reason</th></tr>'
)


SIGNS: Final = {
    "distance": "LR above (+) or below (-) the best, decades",
    "cosine": "cosine of two changes of the weights",
}
"""What is drawn of the weights' movement, where it is known, and the chart's title."""


def page(name: str, log: RunLog, *, refresh: int | None = None) -> str:
    """The page of a run.

    Args:
        name: of the run.
        log: at least one call (ValueError otherwise).
        refresh: seconds after which the browser reads the page again; None once the run is over.
    """
    if not log.calls:
        raise ValueError("got no call of step() yet, there is nothing to show")
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{again}
<title>{escape(name)}: learning rate</title><style>{_style()}</style></head><body>
<h1>{escape(name)}</h1>
{_summary(log, running=refresh is not None)}
<div class="wide">{_charts(log, 900, 260)}</div>
<div class="narrow">{_charts(log, 380, 230)}</div>
{_table(log.decisions)}
<footer>ARC {__version__}{" &middot; the page reads itself again" if refresh else ""}. Marks tell their
reason when pointed at; the LR of an epoch is the one in force while it was trained.</footer>
</body></html>
"""


def _style() -> str:
    return importlib.resources.files("arc").joinpath("view", "page.css").read_text("utf-8")


def _summary(log: RunLog, *, running: bool) -> str:
    last = log.calls[-1]
    measured = [c for c in log.calls if c.val_loss is not None and math.isfinite(c.val_loss)]
    total = log.settings.get("total_calls")
    values = {
        "call" + (" (running)" if running else ""): f"{last.epoch}" + (f" of {total}" if total else ""),
        "LR now": f"{_lr_now(log):.3g}",
        "training loss": f"{last.train_loss:.4g}",
    }
    if measured:
        best = min(measured, key=lambda c: c.val_loss or 0.0)
        values["validation loss"] = "none" if last.val_loss is None else f"{last.val_loss:.4g}"
        values["best validation loss"] = f"{best.val_loss:.4g} (call {best.epoch})"
    return (
        "<dl>" + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items()) + "</dl>"
    )


def _lr_now(log: RunLog) -> float:
    last = log.calls[-1]
    decided = log.decisions[-1] if log.decisions else None
    if decided is None or decided.epoch < last.epoch or log.settings.get("mode") == "advise":
        return last.lr
    return last.lr * decided.multiplier


def _charts(log: RunLog, width: int, height: int) -> str:
    lr = Line(name="LR", kind="lr", points=[(c.epoch, c.lr) for c in log.calls], steps=True)
    in_force = {c.epoch: c.lr for c in log.calls}
    marks = [
        Mark(x=d.epoch, y=in_force[d.epoch], action=d.action.label, words=f"call {d.epoch}: {d.reason}")
        for d in log.decisions
        if d.epoch in in_force
    ]
    losses = [Line(name="training", kind="train", points=[(c.epoch, c.train_loss) for c in log.calls])]
    if measured := points(log.calls, "val_loss"):
        losses.append(Line(name="validation", kind="val", points=measured))
    above = chart("learning rate, decisions", [lr], marks, width=width, height=height, log=True)
    below = chart("loss", losses, width=width, height=height, log=spans_decades(log.calls))
    signs = [
        chart(title, [Line(name=name, kind="sign", points=found)], width=width, height=150, log=False)
        for name, title in SIGNS.items()
        if (found := _of_every_call(log, name))
    ]
    return "\n".join([above, below, *signs])


def _of_every_call(log: RunLog, name: str) -> list[tuple[float, float]]:
    """NaN where it is not known, so that all charts have the same calls below them; empty if it never is."""
    known = dict(points(log.calls, name))
    return [(call.epoch, known.get(call.epoch, math.nan)) for call in log.calls if known]


def _table(decisions: Sequence[Decision]) -> str:
    if not decisions:
        return "<p>No decision yet.</p>"
    rows = [_row(d) for d in reversed(decisions[-ROWS:])]
    left = f"<p>The newest {ROWS} of {len(decisions)} decisions.</p>" if len(decisions) > ROWS else ""
    return f'<div class="scroll"><table>{_HEAD}{"".join(rows)}</table></div>{left}'


def _row(d: Decision) -> str:
    asked = d.source == "network"
    deed = d.action.label if d.restored is None else "rewind"
    shares = "".join(f'<td class="detail">{f"{p:.2f}" if asked else ""}</td>' for p in d.probabilities)
    return (
        f'<tr><td>{d.epoch}</td><td class="detail">{d.lr_before[0]:.2e}</td>'
        f'<td class="action {d.action.label}">{deed}</td>{shares}'
        f'<td>{d.lr_after[0]:.2e}</td><td class="reason">{escape(d.reason)}</td></tr>'
    )
