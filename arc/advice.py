"""A decision from arrays, without torch: for JAX, TensorFlow, a saved log or a spreadsheet."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arc.actions import probable
from arc.decision import Decision
from arc.history.features import MAX_PERIODS, Period, featurise
from arc.network import numpy as numpy_network
from arc.network import weights
from arc.policy.probabilities import reason


def advise(
    train_loss: npt.ArrayLike,
    val_loss: npt.ArrayLike | None,
    lr: npt.ArrayLike,
    *,
    periods: int = MAX_PERIODS,
    path: str | Path | None = None,
) -> Decision:
    """What the network would do after this history; the most probable action, no rules around it.

    Args:
        train_loss: training losses of the last ``periods`` periods, oldest first, evenly spaced in steps.
        val_loss: validation losses of the same time, oldest first; None or empty if there were none.
        lr: the LR in force, one value or evenly spaced ones; the last one is multiplied.
        periods: how many periods the arrays span, 1 to 3; a period is what lies between two decisions.
        path: a directory with a network that sees losses alone; by default the shipped one of the paper's
            recipe.

    Returns:
        A decision on one LR; its ``epoch`` counts the validation losses.

    Raises:
        ValueError: fewer training losses than periods, values that are not finite, LRs that are not positive.
        TypeError: values that are not numbers.
        WeightsError: no usable controller at ``path``.
    """
    if isinstance(periods, bool) or not isinstance(periods, int) or not 1 <= periods <= MAX_PERIODS:
        raise ValueError(f"got periods={periods!r}, need an integer from 1 to {MAX_PERIODS}")
    whole = Period(train_loss=np.asarray(train_loss), val_loss=val_loss, lr=np.asarray(lr))  # checks values
    train, lrs = np.asarray(whole.train_loss), np.asarray(whole.lr)
    val = np.asarray([] if whole.val_loss is None else whole.val_loss)
    if len(train) < periods:
        raise ValueError(f"got {len(train)} training losses for {periods} periods, need one for each or more")
    history = [
        Period(train_loss=t, val_loss=v, lr=r)
        for t, v, r in zip(
            np.array_split(train, periods),
            np.array_split(val, periods),
            np.array_split(np.repeat(lrs, periods), periods),
            strict=True,
        )
    ]
    window = featurise(history)
    probabilities = numpy_network.probabilities(
        weights.load_arrays(weights.paper() if path is None else path), window
    )
    action = probable(probabilities)
    before = float(lrs[-1])
    after = before * action.multiplier
    span = f"{periods} period{'s' if periods > 1 else ''}"
    return Decision(
        action=action,
        probabilities=probabilities,
        lr_before=(before,),
        lr_after=(after if 0 < after < math.inf else before,),
        epoch=len(val),
        reason=reason(history, window, span, probabilities, action),
    )
