"""Rows of a part that is not finished, as a tensor: what a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor


def packed(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> Tensor:
    """Rows of a schema as uint8 (bytes,)."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return torch.frombuffer(bytearray(sink.getvalue()), dtype=torch.uint8)


def unpacked(content: Tensor) -> list[dict[str, Any]]:
    """The rows of :func:`packed`."""
    rows: list[dict[str, Any]] = pa.ipc.open_stream(content.numpy().tobytes()).read_all().to_pylist()
    return rows
