"""Trials of schema version 1 as rows of the present one: what they lack is null, or follows from the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from data_gen import schema

OLD = "1"


def is_old(found: pa.Schema) -> bool:
    """Whether a file holds trials of version 1 (the number of its steps per epoch tells it from others)."""
    version = (found.metadata or {}).get(b"arc.schema_version", b"").decode()
    return version == OLD and "epoch_steps" not in found.names and "train_loss" in found.names


def needed(columns: Iterable[str]) -> set[str]:
    """The columns to read for ``columns``: the steps of an epoch follow from the losses."""
    return {*columns, "train_loss", "val_loss"}


def upgraded(old: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows in the present schema, or those of its columns that are named, in that order.

    An epoch was one pass over the data, nothing was drawn but optimizer, LR and period, and movement was not
    measured. The mark of version 1 stays in the metadata.
    """
    epochs = pc.max_element_wise(pc.list_value_length(old["val_loss"]), 1)
    steps = pc.divide(pc.list_value_length(old["train_loss"]), epochs)
    same = {"variant": "base", "precision": "float32", "warmup": 0}
    kept = []
    for field in [schema.TRIAL.field(name) for name in columns or schema.TRIAL.names]:
        if field.name in old.column_names:
            kept.append((field, old[field.name]))
        elif field.name in ("epoch_steps", "pass_steps"):
            kept.append((field, steps.cast(field.type)))
        elif field.name in same:
            kept.append((field, pa.array([same[field.name]] * len(old), field.type)))
        else:
            kept.append((field, pa.nulls(len(old), field.type)))
    metadata = {**(old.schema.metadata or {}), b"arc.schema_version": str(schema.VERSION).encode()}
    return pa.table([c for _, c in kept], schema=pa.schema([f for f, _ in kept], metadata=metadata))
