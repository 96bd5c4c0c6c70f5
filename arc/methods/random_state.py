"""The random states that a training may draw from, saved and put back; batches drawn by a seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def capture(train_batches: Any = None) -> State:
    """The states of Python, NumPy, torch (all devices) and a ``DataLoader``, as plain types and tensors."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (the user's, not ours)
    state: State = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if train_batches is not None:
        state["loader"] = [generator.get_state() for generator in generators(train_batches)]
    return state


def restore(state: State, train_batches: Any = None) -> None:
    """Put back what :func:`capture` returned, to the same ``DataLoader``."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])
    if train_batches is not None:
        for generator, before in zip(generators(train_batches), state["loader"], strict=True):
            generator.set_state(before)


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


def refuse_one_pass(train_batches: Iterable[Any]) -> None:
    """TypeError for an iterator, which would be used up."""
    if isinstance(train_batches, Iterator):  # calling iter() would draw a DataLoader's seed
        raise TypeError(
            f"got train_batches of type {type(train_batches).__name__}, which can be read only once; "
            "pass a list or a DataLoader"
        )


def sample(train_batches: Iterable[Any], count: int, seed: int) -> list[Any]:
    """The first ``count`` batches, of several passes if need be; random states stay as they were.

    A ``DataLoader`` that shuffles does so by ``seed``.
    """
    own = [(g, g.get_state()) for g in generators(train_batches)]
    batches: list[Any] = []
    with kept():
        seed_all(seed)
        for generator, _ in own:
            generator.manual_seed(seed)
        while len(batches) < count:
            batches += itertools.islice(train_batches, count - len(batches))
            if not batches:
                raise ValueError("train_batches is empty, need at least one batch")
    for generator, state in own:
        generator.set_state(state)
    return batches


def generators(train_batches: Any) -> list[torch.Generator]:
    """The generators that a ``DataLoader`` shuffles with."""
    samplers = [getattr(train_batches, name, None) for name in ("sampler", "batch_sampler")]
    holders = [train_batches, *samplers, getattr(samplers[1], "sampler", None)]
    found = [getattr(holder, "generator", None) for holder in holders]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())
