"""Samples to tensors: windows from a run's consecutive periods, and a split by run within each task."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor
from tqdm import tqdm

from arc.actions import Action
from arc.history.features import LENGTH, MAX_PERIODS, Period, featurise
from data_gen import store
from data_gen.samples import SAMPLE
from tasks.errors import InputError
from tasks.seeding import derive
from training import targets

_VALUES = {action.label: int(action) for action in Action}
_SCALARS = [
    *("run_id", "task", "label", "chosen", "repeated_loss"),
    *(f"{label}_loss" for label in _VALUES),
]

IN_MEMORY = 1 << 30
"""Bytes of windows (3,600 each) from which on they lie in a mapped file."""


@dataclass(frozen=True)
class Samples:
    """N labelled windows.

    Attributes:
        windows: float32 (N, 300, 3).
        labels: int64 (N,), values of :class:`arc.Action`.
        soft: float32 (N, 3), :func:`training.targets.soft`.
        losses: float32 (N, 3), final validation losses of raise, keep and lower; NaN where one diverged.
        runs: N run ids.
        tasks: N task names.
    """

    windows: Tensor
    labels: Tensor
    soft: Tensor
    losses: Tensor
    runs: npt.NDArray[np.str_]
    tasks: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, chosen: npt.NDArray[np.bool_]) -> Samples:
        """The samples where ``chosen`` is true; many of them lie in a file of their own, too."""
        rows = torch.from_numpy(np.flatnonzero(chosen))
        windows = torch.index_select(self.windows, 0, rows, out=allocate(len(rows)))
        return Samples(
            windows,
            self.labels[rows],
            self.soft[rows],
            self.losses[rows],
            self.runs[chosen],
            self.tasks[chosen],
        )

    def fingerprint(self) -> str:
        """A short hash of windows, labels and soft targets."""
        digest = hashlib.sha256(self.windows.numpy().data)
        digest.update(self.labels.numpy().data)
        digest.update(self.soft.numpy().data)
        return digest.hexdigest()[:12]


def allocate(count: int) -> Tensor:
    """Room for ``count`` windows: in memory, or beyond :data:`IN_MEMORY` bytes in a mapped file.

    The system keeps of a mapped file what it has memory for. The file lies in the directory for
    temporary files (``$TMPDIR``) without a name, so it is gone with the process, however that ends.

    Raises:
        InputError: no room for it there.
    """
    size = count * LENGTH * 3
    if 4 * size <= IN_MEMORY:
        return torch.empty(count, LENGTH, 3)
    try:
        with tempfile.NamedTemporaryFile(prefix="arc-windows-") as file:
            os.posix_fallocate(file.fileno(), 0, 4 * size)  # a hole would be a crash once the disk is full
            return torch.from_file(file.name, shared=True, size=size).view(count, LENGTH, 3)
    except OSError as error:
        raise InputError(
            f"cannot keep {4 * size / 1e9:.1f} GB of windows in {tempfile.gettempdir()}: {error}; "
            "set TMPDIR to a directory with room"
        ) from error


def load(samples: str) -> Samples:
    """All samples below a directory as windows of up to three periods, read file by file.

    Raises:
        InputError: no directory, no samples, or damaged files.
    """
    paths = store.parts(samples)
    if not paths:
        raise InputError(f"no Parquet files below {samples!r}; run the stage before this one")
    count = sum(store.count_rows(path) for path in paths)
    if not count:
        raise InputError(f"no samples below {samples!r}; label some with python -m data_gen.label")
    windows = allocate(count)
    filled = windows.numpy()
    tables: list[pd.DataFrame] = []
    for path in tqdm(paths, desc="samples", unit=" parts", disable=not sys.stderr.isatty()):
        ordered = store.read(path, SAMPLE).sort_by([("run_id", "ascending"), ("cycle", "ascending")])
        for row, window in enumerate(_windows(ordered), sum(map(len, tables))):
            filled[row] = window
        tables.append(ordered.select(_SCALARS).to_pandas())
    rows = pd.concat(tables, ignore_index=True)
    runs = rows["run_id"].to_numpy(str)
    losses = rows[[f"{action.label}_loss" for action in Action]].to_numpy(np.float64)
    chosen = rows["chosen"].map(_VALUES).fillna(-1).to_numpy().astype(np.int64)
    repeated = rows["repeated_loss"].to_numpy(np.float64)
    return Samples(
        windows,
        torch.tensor(rows["label"].map(_VALUES).to_numpy(np.int64)),
        targets.soft(losses, chosen, repeated, runs),
        torch.tensor(losses, dtype=torch.float32),
        runs,
        rows["task"].to_numpy(str),
    )


def _windows(ordered: pa.Table) -> Iterator[npt.NDArray[np.float32]]:
    """For each row, the window that ends with it: its period and up to two before it of its run."""
    columns = [ordered[name].combine_chunks() for name in ("train_loss", "val_loss")]
    run_ids, lrs = ordered["run_id"].to_pylist(), ordered["lr"].to_pylist()
    history: deque[Period] = deque(maxlen=MAX_PERIODS)
    for i, (run_id, lr) in enumerate(zip(run_ids, lrs, strict=True)):
        if i == 0 or run_id != run_ids[i - 1]:
            history.clear()
        train_loss, val_loss = (column[i].values.to_numpy() for column in columns)
        history.append(Period(train_loss=train_loss, val_loss=val_loss, lr=lr))
        yield featurise(list(history))


def split(samples: Samples, holdout: float, seed: int) -> tuple[Samples, Samples]:
    """Training and held-out samples; whole runs, the same share of every task's.

    A task with a single run is trained on; InputError where nothing would be held out or trained on.
    """
    held: set[str] = set()
    for task in sorted(set(samples.tasks.tolist())):
        runs = sorted(set(samples.runs[samples.tasks == task].tolist()))
        rng = np.random.default_rng(derive(seed, task, "holdout"))
        held.update(rng.permutation(runs)[: min(round(holdout * len(runs)) or 1, len(runs) - 1)].tolist())
    mask = np.isin(samples.runs, sorted(held))
    if not mask.any() or mask.all():
        raise InputError(
            f"cannot hold out {holdout:.0%} of {len(set(samples.runs.tolist()))} runs; generate more runs"
        )
    return samples.select(~mask), samples.select(mask)
