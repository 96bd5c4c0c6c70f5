"""From the course of a training to the network's input; trials and the live controller both come here.

A window of the last four calls: training losses as area averages, the noise that averaging hides,
validation loss and LR; and numbers, most of them on how the weights moved (spec/movement.md). What was not
measured is 0, and a number says so. Only ratios enter: no unit of a loss, no absolute LR.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from arc.history.blocks import POINTS
from arc.history.course import CALLS, Call, Course
from arc.history.movement import Movement, numbers

LENGTH: Final = CALLS * POINTS
"""Rows of a window."""
CHANNELS: Final = ("train_loss", "noise", "val_loss", "lr")
"""Columns of a window."""
MOVED: Final = 3
"""Calls whose movement is among the numbers."""


class Observation(NamedTuple):
    """The network's input.

    Attributes:
        window: float32, (:data:`LENGTH`, 4), columns :data:`CHANNELS`, the last call in the last rows.
        numbers: float32, one for each of :data:`NAMES`.
    """

    window: npt.NDArray[np.float32]
    numbers: npt.NDArray[np.float32]


def _names() -> tuple[str, ...]:
    moved = [
        f"{name}_{back}" for back in range(MOVED) for name in ("moved", "cos", "cos2", "step", "away", "norm")
    ]
    return (
        *moved,
        *("eff", *(f"tensor_cos_{i}" for i in range(5)), *(f"tensor_step_{i}" for i in range(5))),
        *("lr_before", "lr_before2", "lr_start", "held", "steps", "calls", "timed", "gone"),
        *("fall", "noise", "level", "above"),
        *("val", "val_fall", "val_above", "val_since", "val_train"),
    )


NAMES: Final = _names()
"""What each number is; ``docs/controller.md`` lists them.

For the last three calls (0 is the last): whether its movement is known, cosine with the change before and
the one before that, log10 of step, distance and norm by the norm at the start. Then efficiency of the last
calls, quantiles over tensors. log10 of the LR by that of the call before, of the last but one, of the
first; log2 of the calls at it; log10 of steps a call and of calls so far; whether the length is known,
share of it that is gone. Training loss: fall in the last call by its noise, log10 of noise by scatter,
where it stands between first and lowest, how far above the lowest. Validation: measured, the same fall, how
far above its lowest, calls since then (as a share), what training fell since then.
"""
MOVEMENT: Final = tuple(i for i, name in enumerate(NAMES[: NAMES.index("lr_before")]))
"""Which numbers come from the movement of the weights,"""
LOSSES: Final = tuple(NAMES.index(name) for name in ("fall", "noise", "level", "above", "val_train"))
"""which from the training losses,"""
VALIDATION: Final = tuple(i for i, name in enumerate(NAMES) if name.startswith("val"))
"""and which from validation."""


def observe(course: Course, gone: float | None = None) -> Observation:
    """What the network sees of a training.

    Args:
        course: of at least one call.
        gone: share of the training that is over, if its length is known.

    Raises:
        ValueError: no call was added.
    """
    if not course.calls:
        raise ValueError("got a course without calls, need at least one")
    found = dict.fromkeys(NAMES, 0.0) | _movement(list(course.calls)) | _rates(course, gone)
    found |= _training(course) | _validation(course)
    return Observation(_window(list(course.calls)), np.array([found[name] for name in NAMES], np.float32))


def _window(calls: Sequence[Call]) -> npt.NDArray[np.float32]:
    window = np.zeros((LENGTH, len(CHANNELS)))
    part = window[-POINTS * len(calls) :]
    means, spreads = np.concatenate([call.points for call in calls], axis=1)
    part[:, 0] = means - means.sum() / len(means)
    scale = math.sqrt(float(part[:, 0] @ part[:, 0]) / len(means))
    scale = max(scale, 1e-7 * max(-float(means.min()), float(means.max())), 1e-300)
    part[:, 0] /= scale
    part[:, 1] = np.log10(spreads / scale + 0.03) + 1.5
    first = next((call.val_loss for call in calls if call.val_loss is not None), None)
    for i, call in enumerate(calls):
        rows = slice(i * POINTS, (i + 1) * POINTS)
        part[rows, 3] = _ratio(call.lr, calls[-1].lr)
        if first is not None and call.val_loss is not None:
            part[rows, 2] = (call.val_loss - first) / scale
    return np.minimum(np.maximum(window, -9), 9).astype(np.float32)


def _movement(calls: Sequence[Call]) -> dict[str, float]:
    last = calls[-1].moved
    if last is None or not last.finite:
        return {}
    known = [call.moved for call in calls[-MOVED:] if call.moved is not None]
    found = {"eff": _finite(numbers(known).eff)}
    for back, moved in enumerate(reversed(known)):
        if moved.finite:
            found |= _of_call(moved, back)
    for i in range(5):
        found[f"tensor_cos_{i}"] = _finite(last.tensor_cosine[i])
        found[f"tensor_step_{i}"] = _finite(last.tensor_step[i], low=-9.0)
    return found


def _of_call(moved: Movement, back: int) -> dict[str, float]:
    return {
        f"moved_{back}": 1.0,
        f"cos_{back}": _finite(moved.cosine),
        f"cos2_{back}": _finite(moved.cosine2),
        f"step_{back}": _ratio(moved.step, moved.start),
        f"away_{back}": _ratio(moved.distance, moved.start),
        f"norm_{back}": _ratio(moved.norm, moved.start),
    }


def _rates(course: Course, gone: float | None) -> dict[str, float]:
    lrs = [call.lr for call in course.calls]
    found = {f"lr_before{n}": _ratio(lrs[-1], lrs[-i]) for i, n in ((2, ""), (3, "2")) if len(lrs) >= i}
    found["lr_start"] = _ratio(lrs[-1], course.first_lr)
    found["held"] = math.log2(course.held)
    found["steps"] = math.log10(max(course.calls[-1].steps, 1))
    found["calls"] = math.log10(course.count)
    if gone is not None:
        found["timed"], found["gone"] = 1.0, min(1.0, gone)
    return found


def _training(course: Course) -> dict[str, float]:
    last, means = course.calls[-1], course.train
    steps = [b - a for a, b in itertools.pairwise(last.means)]
    noise = math.sqrt(sum(step * step for step in steps) / len(steps) / 2) if steps else 0.0
    span = max(means.highest - means.lowest, noise, 1e-300)
    half = len(last.means) // 2
    before, after = last.means[:half], last.means[half:]
    fall = sum(before) / len(before) - sum(after) / len(after) if half else 0.0
    return {
        "fall": _clipped(fall / max(noise, 1e-12 * abs(means.lowest), 1e-300)),
        "noise": max(-3.0, min(3.0, _ratio(last.spread or noise, span))),
        "level": _clipped((means.first - last.level) / span),
        "above": _clipped((last.level - means.lowest) / span),
    }


def _validation(course: Course) -> dict[str, float]:
    vals = course.val
    if not vals.count:
        return {}
    span = max(vals.highest - vals.lowest, 1e-300)
    trained = max(course.train.highest - course.train.lowest, 1e-300)
    return {
        "val": 1.0,
        "val_fall": _clipped((vals.before - vals.last) / span) if vals.count > 1 else 0.0,
        "val_above": _clipped((vals.last - vals.lowest) / span),
        "val_since": course.since_best / course.count,
        "val_train": _clipped((course.train_at_best - course.calls[-1].level) / trained),
    }


def _ratio(numerator: float, denominator: float) -> float:
    """log10 of a ratio, within six decades; 0 where there is none."""
    if not (0 < denominator < math.inf and 0 <= numerator < math.inf):
        return 0.0
    return max(-6.0, min(6.0, math.log10(max(numerator, 1e-300) / denominator)))


def _finite(value: float, *, low: float = -1.0) -> float:
    return max(value, low) if math.isfinite(value) else 0.0


def _clipped(value: float) -> float:
    return max(-6.0, min(6.0, float(value)))
