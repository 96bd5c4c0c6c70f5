"""Trial rows to labelled samples: the schema of a sample, and the samples of whole runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arc.actions import Action
from data_gen import labels, schema

REASONS = ("confirmed", "noise", "last", "not corrected")
"""Why a label is what it is: the repeated branch kept the order, it changed the order, there was no
repetition (last cycle of a run), or correction was not asked for."""

_LOSSES = pa.list_(pa.float32())

KEPT = (
    *("run_id", "task", "variant", "optimizer", "lr0", "period", "epoch_steps", "pass_steps", "batch_size"),
    *("weight_decay", "clip", "warmup", "precision", "parameters", "tensors", "cycles", "cycle"),
    # the history: one row per period; windows are put together from a run's consecutive cycles
    *("lr", "train_loss", "val_loss", "start_norm", "step", "norm", "distance", "cosine", "cosine2"),
    *("tensor_cosine", "tensor_step", "move_cos", "move_eff", "move_rel", "move_dist", "move_grow"),
)
"""Columns of a trial's row that its sample has as well."""

SAMPLE = pa.schema(
    [
        *[schema.TRIAL.field(name).remove_metadata() for name in KEPT],
        # what the branches ended with, NaN where they diverged, and what repeated the chosen one
        pa.field("raise_loss", pa.float32()),
        pa.field("keep_loss", pa.float32()),
        pa.field("lower_loss", pa.float32()),
        pa.field("raise_repeats", _LOSSES),
        pa.field("keep_repeats", _LOSSES),
        pa.field("lower_repeats", _LOSSES),
        pa.field("rollout_val_loss", _LOSSES),
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
        trials: rows of :data:`data_gen.schema.TRIAL`, in any order. Of a cycle that is there twice (a part
            beside the pack that holds it) one row is taken.
        correction: False leaves the raw labels.

    Returns:
        One sample of :data:`SAMPLE` per row whose trunk stayed finite, by run and cycle. A label is
        corrected only by the run's next cycle: where that row is missing, its reason is ``last``.
    """
    # Losses stay Arrow columns; only the scalars that decide become Python objects.
    trials = _once(trials.sort_by([("run_id", "ascending"), ("cycle", "ascending")]))
    rows = np.flatnonzero(all_finite(trials["train_loss"]) & all_finite(trials["val_loss"])).tolist()
    cycles = list(zip(trials["run_id"].to_pylist(), trials["cycle"].to_pylist(), strict=True))
    chosen = trials["chosen"].to_pylist()
    trunk = last(trials["val_loss"]).tolist()
    branches = [last(trials[f"{action.label}_val_loss"]).tolist() for action in Action]
    losses = list(zip(*branches, strict=True))
    repeated = [
        trunk[i + 1] if chosen[i] and cycles[i + 1 : i + 2] == [(cycles[i][0], cycles[i][1] + 1)] else None
        for i in rows
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


def _once(trials: pa.Table) -> pa.Table:
    """Of sorted rows, the first of each run and cycle."""
    keys = list(zip(trials["run_id"].to_pylist(), trials["cycle"].to_pylist(), strict=True))
    first = [i for i, key in enumerate(keys) if not i or key != keys[i - 1]]
    return trials if len(first) == len(keys) else trials.take(pa.array(first, pa.int64()))


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
