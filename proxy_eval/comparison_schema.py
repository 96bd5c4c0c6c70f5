"""The Arrow schema of one run of the comparison."""

from __future__ import annotations

import functools
import json

import pyarrow as pa
import torch

from data_gen import store
from data_gen.schema import TRIAL, field
from tasks.errors import InputError
from tasks.work import machine

VERSION = 2
"""Part of run_id: a change of the schema or of how a run is measured starts a new set of runs."""

_CURVE = pa.list_(pa.float32())


def _scores(prefix: str, where: str) -> list[pa.Field]:
    return [
        field(f"{prefix}_epoch", pa.int32(), f"epoch of the model {where}; 0: the untrained one"),
        field(f"{prefix}_test_loss", pa.float64(), f"of the model {where}"),
        field(f"{prefix}_test_metric", pa.float64(), f"of the model {where}"),
    ]


KEY = ("label", "task", "scale", "optimizer", "lr0", "seed", "horizon")
"""What tells runs of a report apart; ``run_id`` adds what they were made with."""

RUN = pa.schema(
    [
        field("run_id", pa.string(), "hash of everything that decides the run"),
        field("label", pa.string(), "what tables call the method: its name, or the one it was asked under"),
        field("method", pa.string(), "name in the registry"),
        field("options", pa.string(), "JSON: its options"),
        field("identity", pa.string(), "JSON: hash of the controller's weights and its rules; null"),
        *map(TRIAL.field, ("task", "scale")),
        field("data", pa.string(), "fingerprint of the data"),
        TRIAL.field("optimizer"),
        field("lr0", pa.float64(), "initial LR; null: the method takes none"),
        field("seed", pa.int64(), "decides initial weights and order of the data, whatever the method"),
        field("horizon", pa.float64(), "length as a part of the suite's"),
        field("epochs", pa.int32(), "epochs of training asked for"),
        TRIAL.field("epoch_steps"),
        field("metric", pa.string(), "name of the metric"),
        field("higher_is_better", pa.bool_(), "direction of the metric"),
        field("lr", _CURVE, "per epoch: LR of its last step"),
        field("train_loss", _CURVE, "per epoch: mean over its steps"),
        field("val_loss", _CURVE, "per epoch"),
        field("val_metric", _CURVE, "per epoch"),
        field("charged", pa.list_(pa.int64()), "per epoch: forward passes so far, one validation included"),
        field("budget", pa.int64(), "what a constant LR is charged for the whole run"),
        field("untrained_val_loss", pa.float64(), "before the first step"),
        field("untrained_val_metric", pa.float64(), "before the first step"),
        field("untrained_test_loss", pa.float64(), "before the first step"),
        field("untrained_test_metric", pa.float64(), "before the first step"),
        *_scores("last", "after the last step"),
        *_scores("best", "of the lowest validation loss"),
        *_scores("last_within", "after the last epoch that the budget pays for"),
        *_scores("best_within", "of the lowest validation loss among those epochs"),
        field("forwards", pa.int64(), "forward passes charged to the method"),
        field("backwards", pa.int64(), "backward passes"),
        field("steps", pa.int64(), "optimizer steps, those of searches included"),
        field("snapshots", pa.int64(), "checkpoints taken"),
        field("seconds", pa.float64(), "wall time of the method and the training, bookkeeping left out"),
        field("cpu_seconds", pa.float64(), "the same in CPU time of the one thread"),
        field("unit_seconds", pa.float64(), "CPU time of the whole run, bookkeeping included"),
        field("wall_seconds", pa.float64(), "wall time of the whole run, bookkeeping included"),
        field("peak_memory", pa.int64(), "most bytes resident in the process, or allocated on the card"),
        field("diverged", pa.bool_(), "the last model's loss is not finite, or it is worse than untrained"),
        field("failure", pa.string(), "what the method raised; null"),
        field("decision_epoch", pa.list_(pa.int32()), "ARC: after which epochs it decided"),
        field("decision", pa.list_(pa.string()), "ARC: raise, keep or lower"),
        field("decision_factor", _CURVE, "ARC: factor on the LR"),
        field("decision_reason", pa.list_(pa.string()), "ARC: in words"),
    ]
)

SINCE_2 = frozenset({"wall_seconds", "peak_memory"})
"""Columns that runs of version 1 have not."""


def read(path: str, expected: pa.Schema = RUN) -> pa.Table:
    """A part, or a file of runs; of version 1 too, with nulls in :data:`SINCE_2` (InputError otherwise).

    Args:
        path: of the Parquet file.
        expected: the columns of ``RUN`` and those that the file has beside them.
    """
    try:
        return store.read(path, expected)
    except InputError as error:
        try:
            table = store.read(path, pa.schema([f for f in expected if f.name not in SINCE_2]))
        except InputError:
            raise error from None
    for name in SINCE_2:
        table = table.append_column(expected.field(name), pa.nulls(len(table), expected.field(name).type))
    return table.select(expected.names)


@functools.cache
def made_with() -> dict[str, str]:
    """Metadata of a part: the versions and the hardware that made its run."""
    cuda = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if cuda else f"{machine.processor()}, one thread per run"
    return {"arc.versions": json.dumps(store.versions()), "arc.machine": name}
