"""The Arrow schema of a trial row."""

from __future__ import annotations

import pyarrow as pa

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


def _field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


def _movement(prefix: str, of: str) -> list[pa.Field]:
    """How the weights moved (:class:`arc.history.movement.Movement`), one value per epoch."""
    return [
        _field(f"{prefix}step", _LIST, f"norm of the epoch's change of all trained parameters; {of}"),
        _field(f"{prefix}norm", _LIST, f"norm of the parameters; {of}"),
        _field(f"{prefix}distance", _LIST, f"norm of their change since the start of the run; {of}"),
        _field(f"{prefix}cosine", _LIST, f"of the epoch's change and the one before, NaN without one; {of}"),
        _field(f"{prefix}cosine2", _LIST, f"of the epoch's change and the last but one; {of}"),
    ]


TRIAL = pa.schema(
    [
        _field("run_id", pa.string(), "hash of everything that decides the trial"),
        _field("task", pa.string(), "task name; also the partition"),
        _field("scale", pa.string(), "mini, medium or paper"),
        _field("variant", pa.string(), "name of the task's numbers (tasks.variants), base: the scale's own"),
        _field("data", pa.string(), "embedded, local or hub"),
        _field("optimizer", pa.string(), "name of the optimizer"),
        _field("seed", pa.int64(), "seed of the command; with the trial's index it seeds the trial"),
        _field("lr0", pa.float64(), "initial LR of the run"),
        _field("period", pa.int32(), "epochs of a trunk and of a branch"),
        _field("epoch_steps", pa.int32(), "optimizer steps of an epoch"),
        _field("pass_steps", pa.int32(), "optimizer steps of one pass over the training data"),
        _field("batch_size", pa.int32(), "examples of a step"),
        _field("weight_decay", pa.float64(), "as the optimizer means it"),
        _field("clip", pa.float64(), "largest norm of a gradient; null: not clipped"),
        _field("warmup", pa.int32(), "steps over which the LR rose linearly at the run's start"),
        _field("precision", pa.string(), "float32, autocast (bfloat16) or bfloat16 (parameters)"),
        _field("parameters", pa.int64(), "trained parameters of the network"),
        _field("tensors", pa.int32(), "trained parameter tensors of the network"),
        _field("cycles", pa.int32(), "cycles that the run was to have"),
        _field("cycle", pa.int32(), "0, 1, ... within the run"),
        _field("lr", pa.float64(), "LR of the trunk"),
        _field("train_loss", _LIST, "per step of the trunk"),
        _field("val_loss", _LIST, "per epoch of the trunk; ends with NaN where it diverged"),
        _field("val_metric", _LIST, "per epoch of the trunk, in the task's unit"),
        _field("raise_val_loss", _LIST, "per epoch of the branch at 1.618 lr; ends with NaN if diverged"),
        _field("keep_val_loss", _LIST, "per epoch of the branch at lr"),
        _field("lower_val_loss", _LIST, "per epoch of the branch at 0.618 lr"),
        _field("raise_train_loss", _LIST, "mean per epoch of the branch at 1.618 lr"),
        _field("keep_train_loss", _LIST, "mean per epoch of the branch at lr"),
        _field("lower_train_loss", _LIST, "mean per epoch of the branch at 0.618 lr"),
        _field("raise_repeats", _LIST, "last validation losses of repetitions of the branch; mostly none"),
        _field("keep_repeats", _LIST, "the same at lr"),
        _field("lower_repeats", _LIST, "the same at 0.618 lr"),
        _field("rollout_val_loss", _LIST, "last validation losses of roll-outs to the end; mostly none"),
        _field("chosen", pa.string(), "raise, keep or lower: the next trunk's LR; null on the last cycle"),
        _field("start_norm", pa.float32(), "norm of the trained parameters before the run's first step"),
        *[field for prefix, of in TRAJECTORIES.items() for field in _movement(prefix, of)],
        _field("tensor_cosine", _SMALL, "per epoch .1 .25 .5 .75 .9 quantiles over tensors of their cosine"),
        _field("tensor_step", _SMALL, "the same of log10(step / norm at the start), epoch after epoch"),
        _field("move_cos", pa.float32(), "cosine of the changes of the trunk's last two epochs"),
        _field("move_eff", pa.float32(), "|sum of the changes| / sum of their norms, last three epochs"),
        _field("move_rel", pa.float32(), "log10(step / start_norm) of the last epoch"),
        _field("move_dist", pa.float32(), "log10(distance / start_norm)"),
        _field("move_grow", pa.float32(), "log10(step / step of the epoch before)"),
        _field("seconds", pa.float64(), "wall time of the cycle"),
    ]
)

SWEEP_LISTS = (
    *("lr", "val_loss", "train_mean", "train_spread"),
    *("step", "norm", "distance", "cosine", "cosine2", "tensor_cosine", "tensor_step"),
)
"""Columns of :data:`SWEEP` with one or more values for each call."""

SWEEP = pa.schema(
    [
        _field("run_id", pa.string(), "hash of everything that decides the sweep: the same in all its runs"),
        *[
            TRIAL.field(name)
            for name in ("task", "scale", "variant", "optimizer", "epoch_steps", "pass_steps")
        ],
        *[TRIAL.field(name) for name in ("batch_size", "weight_decay", "clip", "warmup", "precision")],
        *[TRIAL.field(name) for name in ("parameters", "tensors", "lr0", "start_norm")],
        _field("kind", pa.string(), "constant: one LR, annealed over the last calls; walk: the LR jumps"),
        _field("number", pa.int32(), "place in the grid of LRs, or number of the walk"),
        _field("calls", pa.int32(), "calls (epochs) that the run was to have; a run that diverged has fewer"),
        _field("lr", _LIST, "per call"),
        _field("val_loss", _LIST, "per call; ends with NaN where the run diverged"),
        _field(
            "train_mean", _LIST, "per finite call min(25, epoch_steps) block averages (arc.history.blocks)"
        ),
        _field("train_spread", _LIST, "the noise within each block"),
        *_movement("", "the call"),
        TRIAL.field("tensor_cosine"),
        TRIAL.field("tensor_step"),
    ]
)
