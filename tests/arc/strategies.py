"""Random histories: any lengths, noise, trends, constants, scales from 1e-6 to 1e6, missing validation."""

import numpy as np
from hypothesis import strategies as st

import arc

Lists = tuple[list[list[float]], list[list[float]], list[list[float]]]


@st.composite
def histories(draw: st.DrawFn) -> Lists:
    """Train losses, validation losses and LRs: one list per period and channel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 10.0 ** draw(st.floats(-6, 6))
    offset = draw(st.sampled_from([0.0, 1.0, -3.0, 20.0]))
    constant = draw(st.sampled_from(["no", "no", "no", "train", "val", "both"]))
    train, val, lrs = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        steps = draw(st.one_of(st.integers(1, 12), st.integers(1, 700)))
        evaluations = draw(st.one_of(st.just(0), st.integers(1, 20), st.integers(90, 400)))
        trend = draw(st.floats(-2, 2))
        train.append(_series(rng, steps, trend, offset, scale, constant in ("train", "both")))
        val.append(_series(rng, evaluations, trend, offset, scale, constant in ("val", "both")))
        lr = 10.0 ** draw(st.floats(-8, 2))
        lrs.append([lr] if draw(st.booleans()) else (lr * rng.uniform(0.1, 10, size=steps)).tolist())
    return train, val, lrs


def _series(
    rng: np.random.Generator, length: int, trend: float, offset: float, scale: float, constant: bool
) -> list[float]:
    noise = 0.0 if constant else rng.normal(size=length) + np.linspace(0, trend, length)
    values: list[float] = (scale * (offset + noise * np.ones(length))).tolist()
    return values


def periods(lists: Lists) -> list[arc.Period]:
    """The history as the public classes take it."""
    return [arc.Period(train_loss=t, val_loss=v or None, lr=lr) for t, v, lr in zip(*lists, strict=True)]
