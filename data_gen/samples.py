"""Trial rows to labelled samples: the schema of a sample, and the rows of one run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from arc.actions import Action
from data_gen import labels

REASONS = ("confirmed", "noise", "last", "not corrected")
"""Why a label is what it is: the repeated branch kept the order, it changed the order, there was no
repetition (last cycle of a run), or correction was not asked for."""

_LOSSES = pa.list_(pa.float32())

SAMPLE = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("task", pa.string()),
        pa.field("optimizer", pa.string()),
        pa.field("lr0", pa.float64()),
        pa.field("period", pa.int32()),
        pa.field("cycle", pa.int32()),
        # the history: one row per period; windows are put together from a run's consecutive cycles
        pa.field("lr", pa.float64()),
        pa.field("train_loss", _LOSSES),
        pa.field("val_loss", _LOSSES),
        # what the branches ended with, NaN where they diverged, and what repeated the chosen one
        pa.field("raise_loss", pa.float32()),
        pa.field("keep_loss", pa.float32()),
        pa.field("lower_loss", pa.float32()),
        pa.field("chosen", pa.string()),
        pa.field("repeated_loss", pa.float32()),
        pa.field("raw", pa.string()),
        pa.field("label", pa.string()),
        pa.field("reason", pa.string()),
    ]
)


def samples_of_run(rows: Sequence[dict[str, Any]], *, correction: bool = True) -> list[dict[str, Any]]:
    """The samples of one trial run.

    Args:
        rows: its trial rows in the order of their cycles.
        correction: False leaves the raw labels.

    Returns:
        One sample per row whose trunk stayed finite, as dictionaries of :data:`SAMPLE`.
    """
    following: Iterable[dict[str, Any] | None] = [*rows[1:], None]
    return [
        _sample(row, after, correction)
        for row, after in zip(rows, following, strict=True)
        if _finite(row["train_loss"]) and _finite(row["val_loss"])
    ]


def _sample(row: dict[str, Any], after: dict[str, Any] | None, correction: bool) -> dict[str, Any]:
    losses = (row["raise_val_loss"][-1], row["keep_val_loss"][-1], row["lower_val_loss"][-1])
    chosen = Action[row["chosen"].upper()] if row["chosen"] and after else None
    repeated = after["val_loss"][-1] if chosen is not None and after else None
    raw = labels.raw(*losses)
    if not correction:
        label, reason = raw, "not corrected"
    elif chosen is None or repeated is None:
        label, reason = raw, "last"
    else:
        label = labels.correct(*losses, chosen, repeated)
        reason = "confirmed" if labels.order_kept(*losses, chosen, repeated) else "noise"
    copied = ("run_id", "task", "optimizer", "lr0", "period", "cycle", "lr", "train_loss", "val_loss")
    return {name: row[name] for name in copied} | {
        "raise_loss": losses[0],
        "keep_loss": losses[1],
        "lower_loss": losses[2],
        "chosen": row["chosen"],
        "repeated_loss": repeated,
        "raw": raw.label,
        "label": label.label,
        "reason": reason,
    }


def _finite(values: Sequence[float] | None) -> bool:
    return bool(values) and all(map(math.isfinite, values or ()))
