"""The random states that a training may draw from, saved and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def capture() -> State:
    """The states of Python, NumPy and torch (all devices), as plain types and tensors."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (the user's, not ours)
    state: State = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore(state: State) -> None:
    """Put back what :func:`capture` returned."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def kept() -> Iterator[None]:
    """Leave all random states as they were before the body."""
    before = capture()
    try:
        yield
    finally:
        restore(before)


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch; inside :func:`kept`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
