"""Sequences of symbols to be put in order."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns


def unsorted(rng: np.random.Generator, count: int, *, symbols: int, length: int) -> Columns:
    """``asked`` and ``answer`` int64 (count, length): symbols from 1 on, and the same sorted."""
    asked = rng.integers(1, symbols + 1, (count, length))
    return {"asked": asked, "answer": np.sort(asked, axis=1)}
