"""``python -m data_gen.sweep.best``: sweeps to a table with the best LR of every setting."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from data_gen import schema, store
from tasks.errors import InputError
from tasks.work import cli

CLOSE = 0.05
"""A run counts less the farther it ends from the lowest one, in units of this share of what that one fell."""

KEYS = (
    "run_id",
    "task",
    "scale",
    "variant",
    "optimizer",
    "epoch_steps",
    "batch_size",
    "weight_decay",
    "clip",
)


@dataclass(frozen=True, kw_only=True)
class BestConfig:
    """Keys of ``configs/data_gen.sweep.best.yaml``, where each is explained."""

    sweeps: str
    out: str


def best_lr(lrs: Sequence[float], ends: Sequence[float], untrained: float) -> float:
    """The LR at which a training ends lowest, from a sweep.

    A mean of the logarithms, weighted by exp(-distance from the lowest end / 5 % of its fall): where a
    stretch of LRs ends alike it is their middle, and no single lucky run decides.

    Args:
        lrs: of the runs.
        ends: last validation losses, NaN where a run diverged.
        untrained: the validation loss at the start, or close to it.

    Returns:
        NaN where no run ends below ``untrained``.

    Example:
        >>> round(best_lr([1e-3, 1e-2, 1e-1], [2.0, 1.0, float("nan")], untrained=3.0), 4)
        0.01
    """
    losses = np.asarray(ends, dtype=np.float64)
    if not (np.isfinite(losses).any() and np.nanmin(losses) < untrained):
        return float("nan")
    above = (losses - np.nanmin(losses)) / (CLOSE * (untrained - np.nanmin(losses)))
    weights = np.where(np.isfinite(losses), np.exp(-np.nan_to_num(above)), 0.0)
    return float(10 ** (weights @ np.log10(lrs) / weights.sum()))


def table(sweeps: str) -> pd.DataFrame:
    """One row per setting: its numbers, and the best LRs.

    ``best_lr`` is that of the lowest validation loss at the end, ``best_kept_lr`` that of the lowest one at
    any call: where nets overfit, the LR that trains fastest is the best only for who keeps the best state.
    ``lowest`` is the lowest end, ``untrained`` the median of the first validation losses of the lower half of
    the LRs. Settings that no LR trains are left out.
    """
    columns = [*KEYS, "kind", "lr0", "val_loss"]
    found = []
    for path in store.parts(sweeps):
        runs = store.read(path, schema.SWEEP, columns).to_pandas()
        runs = runs[runs["kind"] == "constant"].sort_values("lr0")
        ends = [losses[-1] for losses in runs["val_loss"]]
        untrained = float(np.nanmedian([losses[0] for losses in runs["val_loss"]][: len(runs) // 2]))
        kept = [np.nan if np.isnan(losses[-1]) else float(np.min(losses)) for losses in runs["val_loss"]]
        lrs = list(runs["lr0"])
        best, best_kept = best_lr(lrs, ends, untrained), best_lr(lrs, kept, untrained)
        if np.isfinite(best):
            found.append(
                runs.iloc[0][list(KEYS)].to_dict()
                | {
                    "best_lr": best,
                    "best_kept_lr": best_kept,
                    "lowest": float(np.nanmin(ends)),
                    "untrained": untrained,
                }
            )
    return pd.DataFrame(found)


def write(config: BestConfig) -> int:
    """Write the table and print it; the exit code."""
    found = table(config.sweeps)
    if found.empty:
        raise InputError(f"no sweeps below {config.sweeps!r}; make some with python -m data_gen.sweep")
    store.write(config.out, pa.Table.from_pandas(found, preserve_index=False))
    print(found.groupby(["task", "optimizer"])["best_lr"].agg(["count", "min", "max"]).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.sweep.best", BestConfig, write))
