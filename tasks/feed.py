"""Where a run stands in its data: the next batch, and how to come back to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from tasks.base import Batch, Splits, Stream, Task
from tasks.seeding import derive
from tasks.splits import rows_of
from tasks.stream import Split, StreamFeed


class Feed(Protocol):
    """What a run asks of its data. Batches come on the run's device, those of training augmented."""

    def batch_size(self, asked: int) -> int:
        """Examples of a batch for which ``asked`` are wanted."""
        ...

    def pass_steps(self, batch_size: int) -> int:
        """Training batches of one pass over the data."""
        ...

    def reseed(self, *key: object) -> None:
        """Start a new order, which ``key`` decides, and so what augmentation draws."""
        ...

    def next(self, task: Task, batch_size: int) -> Batch:
        """The next training batch."""
        ...

    def sample(self, task: Task, batch_size: int, count: int, seed: int) -> list[Batch]:
        """``count`` training batches that ``seed`` decides; leaves the order of training alone."""
        ...

    def batches(self, split: Split, size: int) -> Iterator[Batch]:
        """All of a split, in batches of ``size`` where the data can be cut."""
        ...

    def count(self, split: Split) -> int:
        """Examples of a split."""
        ...

    def state(self) -> dict[str, Any]:
        """What decides the batches to come."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`, which stays valid."""
        ...


def feed(data: Splits | Stream, device: torch.device) -> Feed:
    """The feed of these data; tensors lie on ``device`` already."""
    return TensorFeed(data, device) if isinstance(data, Splits) else StreamFeed(data, device)


class TensorFeed:
    """Rows of tensors in memory; the last, incomplete batch of an order is dropped."""

    def __init__(self, data: Splits, device: torch.device) -> None:
        self._data, self._device = data, device
        self._examples = rows_of(data.train)
        self._generator = torch.Generator()
        self._permutation = torch.empty(0, dtype=torch.long)
        self._cursor = 0

    def batch_size(self, asked: int) -> int:
        """All examples where there are fewer."""
        return min(asked, self._examples)

    def pass_steps(self, batch_size: int) -> int:
        """As for every feed."""
        return self._examples // batch_size

    def reseed(self, *key: object) -> None:
        """As for every feed."""
        self._generator.manual_seed(derive(*key, "order"))
        self._permutation = torch.empty(0, dtype=torch.long)
        self._cursor = 0

    def next(self, task: Task, batch_size: int) -> Batch:
        """As for every feed."""
        if self._cursor + batch_size > len(self._permutation):
            self._permutation = torch.randperm(self._examples, generator=self._generator)
            self._cursor = 0
        rows = self._permutation[self._cursor : self._cursor + batch_size]
        self._cursor += batch_size
        return task.augment(self._rows(rows), self._generator)

    def sample(self, task: Task, batch_size: int, count: int, seed: int) -> list[Batch]:
        """As for every feed."""
        generator = torch.Generator().manual_seed(derive("sample", seed))
        steps = self.pass_steps(batch_size)
        batches: list[Batch] = []
        while len(batches) < count:
            order = torch.randperm(self._examples, generator=generator)
            for rows in order.split(batch_size)[: min(steps, count - len(batches))]:
                batches.append(task.augment(self._rows(rows), generator))
        return batches

    def _rows(self, rows: Tensor) -> Batch:
        rows = rows.to(self._device, non_blocking=True)
        return {k: v.index_select(0, rows) for k, v in self._data.train.items()}

    def batches(self, split: Split, size: int) -> Iterator[Batch]:
        """As for every feed; slices, no copies."""
        data: Batch = getattr(self._data, split)
        for start in range(0, rows_of(data), size):
            yield {k: v[start : start + size] for k, v in data.items()}

    def count(self, split: Split) -> int:
        """As for every feed."""
        return rows_of(getattr(self._data, split))

    def state(self) -> dict[str, Any]:
        """The generator's state, the present order and the place in it."""
        return {
            "order": self._generator.get_state(),
            "permutation": self._permutation,
            "cursor": self._cursor,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As for every feed."""
        self._generator.set_state(state["order"])
        self._permutation = state["permutation"]
        self._cursor = state["cursor"]
