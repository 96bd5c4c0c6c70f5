"""Trial rows to labelled samples: the schema of a sample, and the samples of whole runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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


def samples_of(trials: pa.Table, *, correction: bool = True) -> pa.Table:
    """The samples of whole trial runs.

    Args:
        trials: rows of :data:`data_gen.schema.TRIAL`, in any order.
        correction: False leaves the raw labels.

    Returns:
        One sample of :data:`SAMPLE` per row whose trunk stayed finite, by run and cycle.
    """
    # Losses stay Arrow columns; only the scalars that decide become Python objects.
    trials = trials.sort_by([("run_id", "ascending"), ("cycle", "ascending")])
    rows = np.flatnonzero(all_finite(trials["train_loss"]) & all_finite(trials["val_loss"])).tolist()
    runs, chosen = trials["run_id"].to_pylist(), trials["chosen"].to_pylist()
    trunk = last(trials["val_loss"]).tolist()
    branches = [last(trials[f"{action.label}_val_loss"]).tolist() for action in Action]
    losses = list(zip(*branches, strict=True))
    repeated = [
        trunk[i + 1] if chosen[i] and i + 1 < len(runs) and runs[i + 1] == runs[i] else None for i in rows
    ]
    decided = [
        _decide(losses[i], Action[chosen[i].upper()] if loss is not None else None, loss, correction)
        for i, loss in zip(rows, repeated, strict=True)
    ]
    kept = trials.take(pa.array(rows, pa.int64()))
    made = {f"{action.label}_loss": [losses[i][action] for i in rows] for action in Action}
    made |= {"repeated_loss": repeated}
    made |= {name: [d[k] for d in decided] for k, name in enumerate(("raw", "label", "reason"))}
    columns = [pa.array(made[f.name], f.type) if f.name in made else kept[f.name] for f in SAMPLE]
    return pa.table(columns, schema=SAMPLE)


def _decide(
    losses: tuple[float, float, float], chosen: Action | None, repeated: float | None, correction: bool
) -> tuple[str, str, str]:
    """Raw label, label and reason."""
    raw = labels.raw(*losses)
    if not correction:
        return raw.label, raw.label, "not corrected"
    if chosen is None or repeated is None:
        return raw.label, raw.label, "last"
    label = labels.correct(*losses, chosen, repeated)
    kept = labels.order_kept(*losses, chosen, repeated)
    return raw.label, label.label, "confirmed" if kept else "noise"


def last(lists: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """The last value of each list; NaN where it is empty or null."""
    lengths, values = _flat(lists)
    ends = np.append(values, np.float32(np.nan))[np.cumsum(lengths) - 1]
    return np.where(lengths > 0, ends, np.float32(np.nan))


def all_finite(lists: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Whether each list has values, all of them finite."""
    lengths, values = _flat(lists)
    bad = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    ends = np.cumsum(lengths)
    finite: npt.NDArray[np.bool_] = (lengths > 0) & (bad[ends] == bad[ends - lengths])
    return finite


def _flat(lists: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The lists' lengths and all values."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return lengths, pc.list_flatten(lists).to_numpy()
