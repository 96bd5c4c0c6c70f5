"""The Arrow schema of a trial row."""

from __future__ import annotations

import pyarrow as pa

VERSION = 1
"""Part of run_id: a change of the schema or of the trial's procedure starts a new set of trials."""

_LOSSES = pa.list_(pa.float32())


def _field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


TRIAL = pa.schema(
    [
        _field("run_id", pa.string(), "hash of everything that decides the trial"),
        _field("task", pa.string(), "task name; also the partition"),
        _field("scale", pa.string(), "mini or paper"),
        _field("data", pa.string(), "embedded, local or hub"),
        _field("optimizer", pa.string(), "name of the optimizer"),
        _field("seed", pa.int64(), "seed of the command; with the trial's index it seeds the trial"),
        _field("lr0", pa.float64(), "initial LR of the run"),
        _field("period", pa.int32(), "epochs of a trunk and of a branch"),
        _field("cycle", pa.int32(), "0, 1, ... within the run"),
        _field("lr", pa.float64(), "LR of the trunk"),
        _field("train_loss", _LOSSES, "per step of the trunk"),
        _field("val_loss", _LOSSES, "per epoch of the trunk; ends with NaN where it diverged"),
        _field("val_metric", _LOSSES, "per epoch of the trunk, in the task's unit"),
        _field("raise_val_loss", _LOSSES, "per epoch of the branch at 1.618 lr; ends with NaN if diverged"),
        _field("keep_val_loss", _LOSSES, "per epoch of the branch at lr"),
        _field("lower_val_loss", _LOSSES, "per epoch of the branch at 0.618 lr"),
        _field("chosen", pa.string(), "raise, keep or lower: the next trunk's LR; null on the last cycle"),
        _field("seconds", pa.float64(), "wall time of the cycle"),
    ]
)
