"""A stream made of DataLoaders, or of whatever a DataLoader can read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from tasks.errors import TaskError
from tasks.fetch import (
    Fetch,
    Keys,
    Rows,
    drawable,
    drawing_from,
    length_of,
    loader,
    size_of,
    worker_processes,
)
from tasks.seeding import derive
from tasks.splits import Batch, hash_batch, rows_of
from tasks.stream import Split, Stream

SAMPLED = 32
"""Examples of a split that its fingerprint looks at, spread over all of it."""


class Loaders(Stream):
    """Training, validation and test data from three DataLoaders, or map-style data sets.

    Of a DataLoader over a map-style data set (anything with a length and an index: a torch Dataset, a
    Hugging Face data set ``.with_format("torch")``) the data, ``collate_fn``, batch size and the settings of
    its worker processes are taken, and whether it shuffles. Its batches are then drawn anew: the same seed
    and position give the same batch, random transforms included, at no cost for what lies before. Any other
    DataLoader (its own sampler, an IterableDataset) is gone through as it is, from the beginning of the pass:
    it is seeded, and told the pass by ``set_epoch`` where there is one.

    Worker processes (``num_workers``) prefetch. They start anew whenever a training goes back, three times
    and more for each row of data_gen: do without them where reading an example costs little.

    Args:
        train: a DataLoader, or a map-style data set, which is shuffled; the last, incomplete batch of a pass
            is dropped.
        val: likewise, in order and whole.
        test: likewise.
        batch_size: examples of a batch; needed for a data set, and a DataLoader brings its own.
        names: what to call the parts of an example that is a tuple, such as ``("image", "label")``.
        pass_steps: training batches after which a DataLoader without length begins anew.
        version: changes the fingerprint, which looks at the lengths and at some examples of each split alone.

    Raises:
        TaskError: no length and no ``pass_steps``, or no batch size.
    """

    def __init__(
        self,
        train: Any,
        val: Any,
        test: Any,
        *,
        batch_size: int | None = None,
        names: Sequence[str] | None = None,
        pass_steps: int | None = None,
        version: str = "",
    ) -> None:
        self._loaders: dict[str, DataLoader[Any]] = {
            "train": loader(train, batch_size, "train", shuffle=True),
            "val": loader(val, batch_size, "val"),
            "test": loader(test, batch_size, "test"),
        }
        self._names, self._version = names, version
        own = self._loaders["train"]
        self.batch_size = own.batch_size
        if drawable(own):
            self.pass_steps = len(own.dataset) // size_of(own)  # type: ignore[arg-type]
            if not self.pass_steps:
                raise TaskError(f"got batch_size={own.batch_size}, need at most the examples of train")
        else:
            self.pass_steps = pass_steps or length_of(own)

    def sized(self, batch_size: int) -> Loaders:
        """The same data in training batches of another size, where they are drawn anew."""
        own = self._loaders["train"]
        if not drawable(own):
            super().sized(batch_size)
        other = Loaders.__new__(Loaders)
        vars(other).update(vars(self))
        other.batch_size = max(1, min(batch_size, len(own.dataset)))  # type: ignore[arg-type]
        other.pass_steps = len(own.dataset) // other.batch_size  # type: ignore[arg-type]
        return other

    def train_batches(self, seed: int, position: int) -> Iterator[Batch]:
        """As for every stream."""
        own = self._loaders["train"]
        if drawable(own):
            shuffled = isinstance(own.sampler, RandomSampler)
            rows = Rows(len(own.dataset), self.batch_size or 1, seed, position, shuffled)  # type: ignore[arg-type]
            return self._fetched(own, rows)
        return self._passes(own, seed, position)

    def batches(self, split: Split) -> Iterator[Batch]:
        """As for every stream."""
        own = self._loaders[split]
        if not drawable(own):
            return map(self._named, drawing_from(own, derive(split, "evaluation")))
        rows = torch.arange(len(own.dataset)).split(size_of(own))  # type: ignore[arg-type]
        return self._fetched(own, [(derive(split, i), r.tolist()) for i, r in enumerate(rows)])

    def count(self, split: Split) -> int:
        """As for every stream; the length, where there is one."""
        own = self._loaders[split]
        return len(own.dataset) if drawable(own) else super().count(split)  # type: ignore[arg-type]

    def fingerprint(self) -> str:
        """A hash of the lengths, and of some examples of each split, as they leave the DataLoaders."""
        digest = hashlib.sha256(self._version.encode())
        for split, own in self._loaders.items():
            if drawable(own):
                length = len(own.dataset)  # type: ignore[arg-type]
                sampled = min(SAMPLED, length)
                seen = [i * length // sampled for i in range(sampled)]
                digest.update(f"{split}{length}".encode())
                found: Iterator[Any] = iter([Fetch(own)((derive(split), seen))])
            else:
                found = islice(drawing_from(own, derive(split)), 2)
            for batch in found:
                hash_batch(digest, split, self._named(batch))
        return digest.hexdigest()[:12]

    def _fetched(self, own: DataLoader[Any], keys: Keys) -> Iterator[Batch]:
        """The batches of these rows, in worker processes where the DataLoader has some."""
        with worker_processes():
            found = iter(
                DataLoader(
                    Fetch(own),
                    batch_size=None,
                    sampler=keys,
                    num_workers=own.num_workers,
                    prefetch_factor=own.prefetch_factor if own.num_workers else None,
                    pin_memory=own.pin_memory,
                    timeout=own.timeout,
                    worker_init_fn=own.worker_init_fn,
                    multiprocessing_context=own.multiprocessing_context,
                    generator=torch.Generator(),  # else one number would be drawn from the run's random state
                )
            )
        yield from map(self._named, found)

    def _passes(self, own: DataLoader[Any], seed: int, position: int) -> Iterator[Batch]:
        first, skipped = divmod(position, self.pass_steps)
        for number in count(first):
            found = islice(drawing_from(own, derive(seed, number)), self.pass_steps)
            steps = 0
            for batch in found:
                steps += 1
                if steps > skipped:
                    yield self._named(batch)
            if steps < self.pass_steps:
                raise TaskError(
                    f"a pass ended after {steps} batches of {self.pass_steps}: give pass_steps={steps}"
                )
            skipped = 0

    def _named(self, batch: Any) -> Batch:
        """The batch as a dict of tensors; TaskError where it is none."""
        if isinstance(batch, Tensor) and self._names and len(self._names) == 1:
            batch = [batch]
        if isinstance(batch, Sequence) and self._names and len(self._names) == len(batch):
            batch = dict(zip(self._names, batch, strict=True))
        if not isinstance(batch, Mapping):
            raise TaskError(
                f"got a {type(batch).__name__} of {len(batch)} for a batch: name its parts, such as "
                "names=('image', 'label')"
            )
        for name, value in batch.items():
            if not isinstance(value, Tensor):
                raise TaskError(
                    f"got a {type(value).__name__} for {name!r} of a batch, need tensors: drop the column, "
                    "say .with_format('torch'), or give the DataLoader a collate_fn"
                )
        named = dict(batch)
        if len({len(value) for value in named.values()}) != 1:
            shapes = {name: tuple(value.shape) for name, value in named.items()}
            raise TaskError(
                f"got a batch of {shapes}, need one row for each of the {rows_of(named)} examples"
            )
        return named
