"""Naive twins of what the packages compute fast: loops over the formulas of the specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

# -- features ------------------------------------------------------------------------------------


def features(
    train_loss: Sequence[Sequence[float]], val_loss: Sequence[Sequence[float]], lr: Sequence[Sequence[float]]
) -> np.ndarray:
    """The (300, 3) window from one list per period and channel."""
    length = 100 * len(train_loss)
    window = np.array([[0.0, 0.0, 1.0]] * 300)
    train = [v for period in train_loss for v in period]
    vals = [v for period in val_loss for v in period]
    lrs = [v for period in lr for v in period]
    resized = _z_scores([_interpolated(train, i, length) for i in range(length)])
    scored_vals = _z_scores(vals) if vals else []
    for i in range(length):
        row = 300 - length + i
        window[row, 0] = resized[i]
        if vals:
            window[row, 1] = scored_vals[i * len(vals) // length]
        window[row, 2] = lrs[i * len(lrs) // length] / lrs[0]
    return window


def _interpolated(values: Sequence[float], index: int, length: int) -> float:
    x = (index + 0.5) * len(values) / length - 0.5
    x = min(max(x, 0.0), len(values) - 1.0)
    below = math.floor(x)
    above = min(below + 1, len(values) - 1)
    return values[below] + (x - below) * (values[above] - values[below])


def _z_scores(values: Sequence[float]) -> list[float]:
    if all(v == values[0] for v in values):
        return [0.0 for _ in values]
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    return [(v - mean) / max(deviation, 1e-7) for v in values]


# -- labels --------------------------------------------------------------------------------------


def label(
    raise_loss: float, keep_loss: float, lower_loss: float, chosen: str | None, repeated: float | None
) -> str:
    """The corrected label: ``raise``, ``keep`` or ``lower``."""
    losses = {"raise": raise_loss, "keep": keep_loss, "lower": lower_loss}
    before = _ranking(losses)
    if not any(math.isfinite(v) for v in losses.values()):
        return "lower"
    if chosen is None or repeated is None:
        return before[0]
    after = _ranking({**losses, chosen: repeated})
    return before[0] if before == after else "keep"


def samples(rows: Sequence[dict[str, Any]], correction: bool) -> list[dict[str, Any]]:
    """What is new in the sample of each row of one run, for the rows whose trunk stayed finite."""
    found = []
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if not all(map(math.isfinite, [*row["train_loss"], *row["val_loss"]])):
            continue
        losses = {name: row[f"{name}_val_loss"][-1] for name in ("raise", "keep", "lower")}
        repeated = after["val_loss"][-1] if row["chosen"] and after else None
        raw = label(*losses.values(), None, None)
        corrected, reason = raw, "last"
        if not correction:
            reason = "not corrected"
        elif repeated is not None:
            corrected = label(*losses.values(), row["chosen"], repeated)
            same = _ranking(losses) == _ranking(losses | {row["chosen"]: repeated})
            reason = "confirmed" if same else "noise"
        made = {"repeated_loss": repeated, "raw": raw, "label": corrected, "reason": reason}
        found.append(row | made | {f"{name}_loss": loss for name, loss in losses.items()})
    return found


def _ranking(losses: dict[str, float]) -> list[str]:
    worth = {k: v if math.isfinite(v) else math.inf for k, v in losses.items()}
    preference = ["keep", "lower", "raise"]
    return sorted(preference, key=lambda name: (worth[name], preference.index(name)))


# -- movement ------------------------------------------------------------------------------------


def movement(states: Sequence[Sequence[np.ndarray]]) -> dict[str, Any]:
    """What the last of some calls did to the weights: all tensors, at the start and after each call."""
    tensors = len(states[0])
    vectors = [[np.asarray(t, dtype=np.float64).ravel() for t in state] for state in states]
    whole = [np.concatenate(state) for state in vectors]
    changes = [after - before for before, after in pairwise(whole)]
    cosines, steps = [], []
    for i in range(tensors):
        own = [after[i] - before[i] for before, after in pairwise(vectors)]
        if _length(own[-1]) > 0:
            cosines.append(_cosine(own[-1], own[-2]) if len(own) > 1 else math.nan)
            start = _length(vectors[0][i])
            steps.append(math.log10(_length(own[-1]) / start) if start > 0 else math.nan)
    return {
        "step": _length(changes[-1]),
        "norm": _length(whole[-1]),
        "start": _length(whole[0]),
        "distance": _length(whole[-1] - whole[0]),
        "cosine": _cosine(changes[-1], changes[-2]) if len(changes) > 1 else math.nan,
        "cosine2": _cosine(changes[-1], changes[-3]) if len(changes) > 2 else math.nan,
        "tensor_cosine": _quantiles([c for c in cosines if math.isfinite(c)]),
        "tensor_step": _quantiles([s for s in steps if math.isfinite(s)]),
    }


def folded(values: Sequence[float], pattern: np.ndarray, signs: np.ndarray) -> list[float]:
    """The sketch of one tensor, number by number."""
    rows, columns = pattern.shape
    sums = [0.0] * columns
    for i, value in enumerate(values):
        row, column = divmod(i, columns)
        block, row = divmod(row, rows)
        sums[column] += pattern[row, column] * signs[block, column] * value
    return sums


def _length(vector: np.ndarray) -> float:
    return math.sqrt(float(np.sum(vector * vector)))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    length = _length(a) * _length(b)
    return float(np.sum(a * b)) / length if length else math.nan


def _quantiles(values: list[float]) -> list[float]:
    return [float(np.quantile(values, q)) if values else math.nan for q in (0.1, 0.25, 0.5, 0.75, 0.9)]


# -- network -------------------------------------------------------------------------------------


def network(window: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    """Probabilities (raise, keep, lower) for one window, with weights named and laid out as Keras does."""
    x = window.astype(np.float64)
    for layer in ("conv1d", "conv1d_1"):
        x = _pooled(np.maximum(_convolved(x, weights[layer]["kernel"], weights[layer]["bias"]), 0.0))
    for layer in ("lstm", "lstm_1"):
        x = _lstm(x, weights[layer]["kernel"], weights[layer]["recurrent_kernel"], weights[layer]["bias"])
    hidden = np.maximum(x[-1] @ weights["dense"]["kernel"] + weights["dense"]["bias"], 0.0)
    logits = hidden @ weights["dense_1"]["kernel"] + weights["dense_1"]["bias"]
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def _convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    width = len(kernel)
    return np.stack(
        [sum(x[t + w] @ kernel[w] for w in range(width)) + bias for t in range(len(x) - width + 1)]
    )


def _pooled(x: np.ndarray) -> np.ndarray:
    return np.stack([np.maximum(x[2 * t], x[2 * t + 1]) for t in range(len(x) // 2)])


def _lstm(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    units = len(recurrent)
    h, c, outputs = np.zeros(units), np.zeros(units), []
    for row in x:
        i, f, g, o = np.split(row @ kernel + h @ recurrent + bias, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))
