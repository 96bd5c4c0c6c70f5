"""A task's data where they fit into memory: three dicts of tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tasks.errors import TaskError

Batch = dict[str, Tensor]
"""Named tensors that share their first dimension (the examples)."""


def rows_of(batch: Mapping[str, Tensor]) -> int:
    """The examples of a batch."""
    return len(next(iter(batch.values())))


class Splits(NamedTuple):
    """Training, validation and test data from disjoint sources, as tensors in memory."""

    train: Batch
    val: Batch
    test: Batch

    def to(self, device: torch.device | str) -> Splits:
        """The same data on another device."""
        return Splits(*({k: v.to(device) for k, v in split.items()} for split in self))

    def fingerprint(self) -> str:
        """A short hash of names, shapes and contents."""
        digest = hashlib.sha256()
        for name, split in zip(self._fields, self, strict=True):
            hash_batch(digest, name, split)
        return digest.hexdigest()[:12]

    def check(self) -> None:
        """TaskError where a split is no dict of tensors with one row for each example."""
        for name, split in zip(self._fields, self, strict=True):
            remedy = "need {name: tensor}; batches of a DataLoader are a stream: return tasks.loaders.Loaders"
            if not isinstance(split, dict) or not split:
                raise TaskError(f"load() gave {_shown(split)} for {name}, {remedy}")
            for key, value in split.items():
                if not isinstance(value, Tensor):
                    raise TaskError(f"load() gave {_shown(value)} for {name}[{key!r}], {remedy}")
            lengths = {key: len(value) if value.dim() else 0 for key, value in split.items()}
            if len(set(lengths.values())) > 1 or 0 in lengths.values():
                raise TaskError(
                    f"load() gave {name} with the lengths {lengths}, need one row for each example"
                )


def hash_batch(digest: Any, name: str, batch: Batch) -> None:
    """Add names, shapes and contents to a hash of :mod:`hashlib`."""
    for key, tensor in sorted(batch.items()):
        digest.update(f"{name}.{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
        rows = tensor.cpu().contiguous()
        digest.update(rows.view(torch.uint8).numpy().tobytes() if rows.dim() else b"")


def _shown(value: object) -> str:
    return "an empty dict" if value == {} else f"a {type(value).__name__}"
