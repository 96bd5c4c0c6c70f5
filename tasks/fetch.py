"""Reading batches so that seed and position decide them, in this process or in a DataLoader's workers."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import random
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from arc import torch_private
from tasks.errors import TaskError
from tasks.seeding import derive

Key = tuple[int, list[int]]
"""A batch: the seed of what is drawn while it is read, and its rows."""

Keys = Iterable[Key]


class Fetch(Dataset[Any]):
    """Whole batches of a DataLoader's data set, collated as it would."""

    def __init__(self, own: DataLoader[Any]) -> None:
        self._data, self._collate = own.dataset, own.collate_fn or default_collate

    def __call__(self, key: Key) -> Any:
        """The batch of this key."""
        seed, rows = key
        with seeded(seed):
            many = getattr(self._data, "__getitems__", None)
            return self._collate(many(rows) if many is not None else [self._data[row] for row in rows])

    __getitem__ = __call__


class Rows:
    """The keys of a training's batches without end: one order of all rows after the other."""

    def __init__(self, examples: int, batch_size: int, seed: int, position: int, shuffled: bool) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._seed, self._position, self._shuffled = seed, position, shuffled

    def __iter__(self) -> Iterator[Key]:
        steps = self._examples // self._batch_size
        first, skipped = divmod(self._position, steps)
        for number in count(first):
            order = torch.arange(self._examples)
            if self._shuffled:
                generator = torch.Generator().manual_seed(derive(self._seed, number, "order"))
                order = torch.randperm(self._examples, generator=generator)
            for i in range(skipped, steps):
                rows = order[i * self._batch_size : (i + 1) * self._batch_size]
                yield derive(self._seed, number, i), rows.tolist()
            skipped = 0


def drawable(own: DataLoader[Any]) -> bool:
    """Whether its batches can be drawn anew: a map-style data set in random or in plain order."""
    sampler = own.sampler
    plain = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and not torch_private.draws_some(sampler)
    )
    return plain and type(own.batch_sampler) is BatchSampler and not isinstance(own.dataset, IterableDataset)


def loader(given: Any, batch_size: int | None, split: str, *, shuffle: bool = False) -> DataLoader[Any]:
    """What was given for a split as a DataLoader; TaskError where it is none and cannot become one."""
    if isinstance(given, DataLoader):
        if (
            given.num_workers
            and given.multiprocessing_context is None
            and "fork" in mp.get_all_start_methods()
        ):
            # A stage's worker would spawn, which takes seconds and cannot find what a task file defines.
            given.multiprocessing_context = "fork"
        return given
    if not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        raise TaskError(
            f"got a {type(given).__name__} for {split}, need a DataLoader, or a data set that has a length "
            "and an index"
        )
    if batch_size is None:
        raise TaskError(f"got a data set for {split}: say batch_size=self.batch_size")
    return DataLoader(given, batch_size, shuffle=shuffle)


def size_of(own: DataLoader[Any]) -> int:
    """Examples of its batches."""
    assert own.batch_size is not None
    return own.batch_size


def length_of(own: DataLoader[Any]) -> int:
    """Batches of a pass (TaskError where it does not say)."""
    try:
        return len(own)
    except TypeError:
        raise TaskError("the training DataLoader has no length: give pass_steps=") from None


def drawing_from(own: DataLoader[Any], seed: int) -> Iterator[Any]:
    """One pass over a DataLoader as it is, with all that it draws decided by ``seed``."""
    if own.generator is not None:
        own.generator.manual_seed(seed)
    for part in (own.dataset, own.sampler, own.batch_sampler):
        if callable(tell := getattr(part, "set_epoch", None)):
            tell(seed % 2**31)
    with seeded(seed), worker_processes():
        found = iter(own)
    for number in count():
        with seeded(derive(seed, number)):
            batch = next(found, _END)
        if batch is _END:
            return
        yield batch


_END = object()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's random numbers for the body, and put their states back."""
    # transforms of others draw from NumPy's global state, too
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])


@contextlib.contextmanager
def worker_processes() -> Iterator[None]:
    """Let a worker of a stage start those of a DataLoader.

    It is a daemon, which may have no children, lest they outlive it; a DataLoader's workers see for
    themselves that their parent is gone.
    """
    config = vars(mp.current_process())["_config"]
    daemon = config.pop("daemon", None)
    try:
        yield
    finally:
        if daemon is not None:
            config["daemon"] = daemon
