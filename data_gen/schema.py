"""The Arrow schema of a trial row, and trials of version 1 in it: what they lack is null, or follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

VERSION = 2
"""Part of run_id: a change of the schema or of the trial's procedure starts a new set of trials."""

_LIST = pa.list_(pa.float32())
_SMALL = pa.list_(pa.float16())

TRAJECTORIES = {
    "": "trunk",
    "raise_": "branch at 1.618 lr",
    "keep_": "branch at lr",
    "lower_": "branch at 0.618 lr",
}
"""Prefixes of the columns that the trunk and the three branches share."""


def field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    """A column whose metadata say what is in it."""
    return pa.field(name, kind, metadata={"doc": doc})


def _movement(prefix: str, of: str) -> list[pa.Field]:
    """How the weights moved (:class:`arc.history.movement.Movement`), one value per epoch."""
    return [
        field(f"{prefix}step", _LIST, f"norm of the epoch's change of all trained parameters; {of}"),
        field(f"{prefix}norm", _LIST, f"norm of the parameters; {of}"),
        field(f"{prefix}distance", _LIST, f"norm of their change since the start of the run; {of}"),
        field(f"{prefix}cosine", _LIST, f"of the epoch's change and the one before, NaN without one; {of}"),
        field(f"{prefix}cosine2", _LIST, f"of the epoch's change and the last but one; {of}"),
    ]


def _branches(name: str, doc: str) -> list[pa.Field]:
    """A column for each branch."""
    return [field(f"{prefix}{name}", _LIST, f"{doc} {of}") for prefix, of in TRAJECTORIES.items() if prefix]


TRIAL = pa.schema(
    [
        field("run_id", pa.string(), "hash of everything that decides the trial"),
        field("task", pa.string(), "task name; also the partition"),
        field("scale", pa.string(), "mini, medium or paper"),
        field("variant", pa.string(), "name of the task's numbers (tasks.variants), base: the scale's own"),
        field("data", pa.string(), "embedded, local or hub"),
        field("optimizer", pa.string(), "name of the optimizer"),
        field("seed", pa.int64(), "seed of the command; with the trial's index it seeds the trial"),
        field("lr0", pa.float64(), "initial LR of the run"),
        field("period", pa.int32(), "epochs of a trunk and of a branch"),
        field("epoch_steps", pa.int32(), "optimizer steps of an epoch"),
        field("pass_steps", pa.int32(), "optimizer steps of one pass over the training data"),
        field("batch_size", pa.int32(), "examples of a step"),
        field("weight_decay", pa.float64(), "as the optimizer means it"),
        field("clip", pa.float64(), "largest norm of a gradient; null: not clipped"),
        field("warmup", pa.int32(), "steps over which the LR rose linearly at the run's start"),
        field("precision", pa.string(), "float32, autocast (bfloat16) or bfloat16 (parameters)"),
        field("parameters", pa.int64(), "trained parameters of the network"),
        field("tensors", pa.int32(), "trained parameter tensors of the network"),
        field("cycles", pa.int32(), "cycles that the run was to have"),
        field("cycle", pa.int32(), "0, 1, ... within the run"),
        field("lr", pa.float64(), "LR of the trunk"),
        field("train_loss", _LIST, "per step of the trunk"),
        field("val_loss", _LIST, "per epoch of the trunk; ends with NaN where it diverged"),
        field("val_metric", _LIST, "per epoch of the trunk, in the task's unit"),
        *_branches("val_loss", "per epoch (ends with NaN if diverged) of the"),
        *_branches("train_loss", "mean per epoch of the"),
        *_branches("repeats", "last validation losses of repetitions (mostly none) of the"),
        field("rollout_val_loss", _LIST, "last validation losses of roll-outs to the end; mostly none"),
        field("chosen", pa.string(), "raise, keep or lower: the next trunk's LR; null on the last cycle"),
        field("start_norm", pa.float32(), "norm of the trained parameters before the run's first step"),
        *[column for prefix, of in TRAJECTORIES.items() for column in _movement(prefix, of)],
        field("tensor_cosine", _SMALL, "per epoch .1 .25 .5 .75 .9 quantiles over tensors of their cosine"),
        field("tensor_step", _SMALL, "the same of log10(step / norm at the start), epoch after epoch"),
        field("move_cos", pa.float32(), "cosine of the changes of the trunk's last two epochs"),
        field("move_eff", pa.float32(), "|sum of the changes| / sum of their norms, last three epochs"),
        field("move_rel", pa.float32(), "log10(step / start_norm) of the last epoch"),
        field("move_dist", pa.float32(), "log10(distance / start_norm)"),
        field("move_grow", pa.float32(), "log10(step / step of the epoch before)"),
        field("seconds", pa.float64(), "wall time of the cycle"),
    ]
)

SWEEP_LISTS = (
    *("lr", "val_loss", "train_mean", "train_spread"),
    *("step", "norm", "distance", "cosine", "cosine2", "tensor_cosine", "tensor_step"),
)
"""Columns of :data:`SWEEP` with one or more values for each call."""

SWEEP = pa.schema(
    [
        field("run_id", pa.string(), "hash of everything that decides the sweep: the same in all its runs"),
        *map(TRIAL.field, ("task", "scale", "variant", "optimizer", "epoch_steps", "pass_steps")),
        *map(TRIAL.field, ("batch_size", "weight_decay", "clip", "warmup", "precision")),
        *map(TRIAL.field, ("parameters", "tensors", "lr0", "start_norm")),
        field("kind", pa.string(), "constant: one LR, annealed over the last calls; walk: the LR jumps"),
        field("number", pa.int32(), "place in the grid of LRs, or number of the walk"),
        field("calls", pa.int32(), "calls (epochs) that the run was to have; a run that diverged has fewer"),
        field("lr", _LIST, "per call"),
        field("val_loss", _LIST, "per call; ends with NaN where the run diverged"),
        field(
            "train_mean", _LIST, "per finite call min(25, epoch_steps) block averages (arc.history.blocks)"
        ),
        field("train_spread", _LIST, "the noise within each block"),
        *_movement("", "the call"),
        TRIAL.field("tensor_cosine"),
        TRIAL.field("tensor_step"),
    ]
)


def is_old(found: pa.Schema) -> bool:
    """Whether a file holds trials of version 1 (the number of its steps per epoch tells it from others)."""
    version = (found.metadata or {}).get(b"arc.schema_version", b"").decode()
    return version == "1" and "epoch_steps" not in found.names and "train_loss" in found.names


def needed(columns: Iterable[str]) -> set[str]:
    """The columns to read for ``columns``: the steps of an epoch follow from the losses."""
    return {*columns, "train_loss", "val_loss"}


def upgraded(old: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows in the present schema, or those of its columns that are named, in that order.

    An epoch was one pass over the data, nothing was drawn but optimizer, LR and period, and movement was not
    measured. The metadata name the present version.
    """
    epochs = pc.max_element_wise(pc.list_value_length(old["val_loss"]), 1)
    steps = pc.divide(pc.list_value_length(old["train_loss"]), epochs)
    same = {"variant": "base", "precision": "float32", "warmup": 0}
    kept = []
    for column in [TRIAL.field(name) for name in columns or TRIAL.names]:
        if column.name in old.column_names:
            kept.append((column, old[column.name]))
        elif column.name in ("epoch_steps", "pass_steps"):
            kept.append((column, steps.cast(column.type)))
        elif column.name in same:
            kept.append((column, pa.array([same[column.name]] * len(old), column.type)))
        else:
            kept.append((column, pa.nulls(len(old), column.type)))
    metadata = {**(old.schema.metadata or {}), b"arc.schema_version": str(VERSION).encode()}
    return pa.table([c for _, c in kept], schema=pa.schema([f for f, _ in kept], metadata=metadata))
