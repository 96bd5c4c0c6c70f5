"""From the rows of the comparison to score arrays (runs, tasks, LR0s)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from proxy_eval.plan import ORACLE
from proxy_eval.stats import Array
from proxy_eval.suite import DEFAULT_LR

VIEWS: Final = {
    "best": "checkpoint of the lowest validation loss, equal steps",
    "last": "last step, equal steps",
    "best_within": "checkpoint of the lowest validation loss, equal total cost",
    "last_within": "last step, equal total cost",
}
CORE: Final = 1.5
"""Half width of the grid in decades; what lies outside are the stress values."""


def quality(rows: pd.DataFrame, metric: pd.Series, loss: pd.Series) -> pd.Series:
    """What a model is worth, higher is better: its metric, or minus its loss where the metric falls."""
    return metric.where(rows["higher_is_better"], -loss)


def validated(rows: pd.DataFrame) -> pd.Series:
    """The quality on validation data of each run's checkpoint; -inf where there is none."""
    found = []
    for (_, row), epoch in zip(rows.iterrows(), rows["best_epoch"].to_numpy(int), strict=True):
        curve, at = validation_curve(row), epoch - 1
        found.append(curve[at] if 0 <= at < len(curve) and np.isfinite(curve[at]) else -np.inf)
    return pd.Series(found, index=rows.index, dtype=float)


def validation_curve(row: pd.Series) -> Array:
    """The quality on validation data per epoch of one row."""
    name, sign = ("val_metric", 1.0) if row["higher_is_better"] else ("val_loss", -1.0)
    return sign * np.asarray(row[name], dtype=float)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a task's scores are measured with: 0 is untrained, 1 the oracle.

    Attributes:
        method: the schedule that the oracle is: cosine, or one with warmup.
        lr0: its LR0 that was best on the selection seeds, by validation.
        untrained, oracle: mean qualities on the test split by view.
        target: validation quality that counts as solved: 90 % of the oracle's gain.
    """

    method: str
    lr0: float
    untrained: float
    oracle: dict[str, float]
    target: float


def references(rows: pd.DataFrame) -> dict[str, Reference]:
    """One per task; a task without oracle runs, or whose oracle learned nothing, is left out."""
    found = {}
    for task, mine in rows.groupby("task"):
        selection, others = mine[mine["label"] == ORACLE], mine[mine["label"] != ORACLE]
        if selection.empty:
            continue
        method = str(selection["method"].iloc[0])
        means = selection.assign(by=validated(selection)).groupby("lr0")["by"].mean()
        lr0 = float(means.index[int(means.to_numpy().argmax())])
        chosen = others[(others["method"] == method) & np.isclose(others["lr0"].astype(float), lr0)]
        if chosen.empty:
            continue
        start = _mean(quality(mine, mine["untrained_test_metric"], mine["untrained_test_loss"]))
        oracle = {v: _mean(_quality(chosen, v)) for v in VIEWS}
        before = _mean(quality(chosen, chosen["untrained_val_metric"], chosen["untrained_val_loss"]))
        target = before + 0.9 * (float(validated(chosen).mean()) - before)
        if oracle["best"] > start:
            found[str(task)] = Reference(
                method=method, lr0=lr0, untrained=start, oracle=oracle, target=target
            )
    return found


def _quality(rows: pd.DataFrame, view: str) -> pd.Series:
    return quality(rows, rows[f"{view}_test_metric"], rows[f"{view}_test_loss"])


def _mean(values: pd.Series) -> float:
    return float(values[np.isfinite(values)].mean())


def scored(rows: pd.DataFrame, found: dict[str, Reference]) -> pd.DataFrame:
    """The rows of tasks that have a reference, with a score per view and the LR0's distance.

    A score is (quality - untrained) / (oracle - untrained), 0 where that is below 0 or not finite and
    where the method failed. ``of_oracle``: whether it is the oracle's method. ``decade``: log10 of LR0
    over the middle of the task's grid, in half decades; NaN for methods without LR0.
    """
    kept = rows[rows["task"].isin(list(found)) & (rows["label"] != ORACLE)].copy()
    low = kept["task"].map({t: r.untrained for t, r in found.items()}).astype(float)
    for view in VIEWS:
        high = kept["task"].map({t: r.oracle[view] for t, r in found.items()}).astype(float)
        score = ((_quality(kept, view) - low) / (high - low)).clip(lower=0.0)
        kept[view] = score.where(np.isfinite(score) & kept["failure"].isna(), 0.0)
    kept["of_oracle"] = kept["method"] == kept["task"].map({t: r.method for t, r in found.items()})
    kept["bad"] = kept["diverged"].astype(bool) | kept["failure"].notna()
    kept["validated"] = validated(kept)
    kept["decade"] = decades(kept)
    return kept


def decades(rows: pd.DataFrame) -> pd.Series:
    """Distance of each LR0 from the middle of its task's grid, in decades, to a tenth."""
    log = rows["lr0"].astype(float).map(np.log10)
    unique = rows.assign(log=log.round(6)).dropna(subset=["log"]).drop_duplicates(["task", "log"])
    middle = unique.groupby("task")["log"].quantile(0.5, interpolation="lower")
    return (log - rows["task"].map(middle).astype(float)).round(1)


def array(rows: pd.DataFrame, label: str, column: str, *, decades: list[float]) -> Array:
    """One method's values as (runs, tasks, LR0s), over the seeds and tasks of ``rows``; NaN if not there.

    A method without LR0 has one column.
    """
    seeds, tasks = sorted(rows["seed"].unique()), sorted(rows["task"].unique())
    mine = rows[rows["label"] == label]
    columns: list[float] = decades if mine["lr0"].notna().any() else [np.nan]
    found = np.full((len(seeds), len(tasks), len(columns)), np.nan)
    for seed, task, decade, value in zip(
        mine["seed"], mine["task"], mine["decade"], mine[column].astype(float), strict=True
    ):
        place = 0 if np.isnan(decade) else columns.index(decade) if decade in columns else None
        if place is not None:
            found[seeds.index(seed), tasks.index(task), place] = value
    return found


def core(rows: pd.DataFrame) -> list[float]:
    """The distances of the grid without the stress values, ascending."""
    found = sorted(rows["decade"].dropna().unique())
    return [float(d) for d in found if abs(d) <= CORE] or [float(d) for d in found]


def default_decade(rows: pd.DataFrame) -> pd.Series:
    """By task: the grid's distance that lies nearest to torch's default LR of the task's optimizer."""
    with_lr0 = rows.dropna(subset=["lr0"])
    wrong = np.abs(np.log10(with_lr0["lr0"] / with_lr0["optimizer"].map(DEFAULT_LR)))
    nearest = with_lr0.loc[wrong.groupby(with_lr0["task"]).idxmin()]
    return pd.Series(nearest["decade"].to_numpy(), index=nearest["task"])
