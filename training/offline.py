"""What networks say of trainings that they were not fitted to, against what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from arc.history.observation import NAMES
from arc.network.estimator import Estimator
from training.fit_estimator import answers
from training.observations import Observations


def judged(network: Estimator, held: Observations) -> pd.DataFrame:
    """What a network says of trainings that it was not fitted to, beside what is known of them."""
    answer = answers(network, held)
    probabilities = answer.logits.softmax(1).numpy()
    return pd.DataFrame(
        {
            "task": held.tasks,
            "run": held.runs,
            "distance": held.distance,
            "estimate": answer.distance.numpy(),
            "spread": answer.spread.numpy(),
            "calls": np.round(10 ** held.numbers[:, NAMES.index("calls")].astype(float)).astype(int),
            "steps": held.steps,
            "parameters": held.parameters,
            "moved": held.numbers[:, 0] > 0,
            "label": held.label,
            **{f"p_{i}": probabilities[:, i] for i in range(3)},
            **{f"loss_{i}": held.losses[:, i] for i in range(3)},
        }
    )


def report(found: pd.DataFrame) -> dict[str, Any]:
    """Errors of the folds' answers; every task counts alike."""
    known = found[found["distance"].notna() & found["moved"]]
    bins = {
        "steps": (0, 30, 100, 300, 10**9),
        "parameters": (0, 30_000, 300_000, 10**12),
        "calls": (0, 1, 2, 5, 10**6),
    }
    summary: dict[str, Any] = {"all": measures(known)}
    for column, edges in bins.items():
        cut = pd.cut(known[column], edges)
        summary[column] = {str(k): measures(part) for k, part in known.groupby(cut, observed=True)}
    summary["task"] = {str(k): measures(part) for k, part in known.groupby("task")}
    quarter = pd.qcut(known["spread"], 4, duplicates="drop")
    summary["calibration"] = {
        str(k): {
            "said": round(float(part["spread"].mean()), 3),
            "was": round(float((part["estimate"] - part["distance"]).abs().mean()), 3),
        }
        for k, part in known.groupby(quarter, observed=True)
    }
    return summary


def measures(part: pd.DataFrame) -> dict[str, float | None]:
    """Mean absolute error in decades (tasks alike), share of right directions where a decade or more off."""
    errors = (part["estimate"] - part["distance"]).abs()
    far = part["distance"].abs() >= 1
    right = np.sign(part["estimate"]) == np.sign(part["distance"])
    return {
        "error": round(float(errors.groupby(part["task"]).mean().mean()), 3),
        "direction": round(float(right[far].mean()), 4),
        "rank": _rank(part),
        "rows": len(part),
    }


def _rank(part: pd.DataFrame) -> float | None:
    """Spearman's correlation; None where one of the two never changes."""
    if part["estimate"].nunique() < 2 or part["distance"].nunique() < 2:
        return None
    return round(float(part["estimate"].corr(part["distance"], method="spearman")), 3)
