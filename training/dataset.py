"""Samples to tensors: windows from a run's consecutive periods, and a split by run within each task."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from arc.actions import Action
from arc.features import MAX_PERIODS, Period, featurise
from data_gen import store
from data_gen.samples import SAMPLE
from tasks.errors import InputError
from tasks.seeding import derive


@dataclass(frozen=True)
class Samples:
    """N labelled windows.

    Attributes:
        windows: float32 (N, 300, 3).
        labels: int64 (N,), values of :class:`arc.Action`.
        runs: N run ids.
        tasks: N task names.
    """

    windows: Tensor
    labels: Tensor
    runs: npt.NDArray[np.str_]
    tasks: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, chosen: npt.NDArray[np.bool_]) -> Samples:
        """The samples where ``chosen`` is true."""
        mask = torch.from_numpy(chosen)
        return Samples(self.windows[mask], self.labels[mask], self.runs[chosen], self.tasks[chosen])

    def fingerprint(self) -> str:
        """A short hash of windows and labels."""
        digest = hashlib.sha256(self.windows.numpy().tobytes() + self.labels.numpy().tobytes())
        return digest.hexdigest()[:12]


def load(samples: str) -> Samples:
    """All samples below a directory as windows of up to three periods.

    Raises:
        InputError: no directory, no samples, or damaged files.
    """
    windows: list[npt.NDArray[np.float32]] = []
    labels: list[int] = []
    runs: list[str] = []
    tasks: list[str] = []
    parts = tqdm(
        store.read_all(samples, SAMPLE), desc="samples", unit=" parts", disable=not sys.stderr.isatty()
    )
    for _, table in parts:
        ordered = table.sort_by([("run_id", "ascending"), ("cycle", "ascending")]).to_pylist()
        for run_id, rows in groupby(ordered, key=lambda row: row["run_id"]):
            for window, row in _windows(list(rows)):
                windows.append(window)
                labels.append(Action[row["label"].upper()])
                runs.append(run_id)
                tasks.append(row["task"])
    if not windows:
        raise InputError(f"no samples below {samples!r}; label some with python -m data_gen.label")
    return Samples(torch.from_numpy(np.stack(windows)), torch.tensor(labels), np.array(runs), np.array(tasks))


def _windows(rows: list[dict[str, Any]]) -> list[tuple[npt.NDArray[np.float32], dict[str, Any]]]:
    """Each row of a run with the window that ends with it."""
    periods = [Period(train_loss=r["train_loss"], val_loss=r["val_loss"], lr=r["lr"]) for r in rows]
    return [(featurise(periods[max(0, i + 1 - MAX_PERIODS) : i + 1]), row) for i, row in enumerate(rows)]


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
