"""A task's data where they come batch by batch, and how a run is fed with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self

import torch

from tasks.errors import TaskError
from tasks.seeding import derive
from tasks.splits import Batch, Splits, rows_of

if TYPE_CHECKING:
    from tasks.base import Task

Split = Literal["train", "val", "test"]


class Stream(ABC):
    """Training, validation and test data from disjoint sources, batch by batch.

    A batch is decided by the seed and its position, so that a training can be taken up anywhere: nothing
    is drawn from global random states. Batches may lie on any device; the training moves them to its own.

    Attributes:
        pass_steps: training batches of one pass over the data.
        batch_size: examples of a training batch; None: they vary.
    """

    pass_steps: int
    batch_size: int | None = None

    @abstractmethod
    def train_batches(self, seed: int, position: int) -> Iterator[Batch]:
        """Training batches without end, in the order that ``seed`` decides, from number ``position`` on."""

    @abstractmethod
    def batches(self, split: Split) -> Iterator[Batch]:
        """Every example of a split once, the same in every call."""

    @abstractmethod
    def fingerprint(self) -> str:
        """What tells these data from others: the ids of trials hold it, and with it what is run again."""

    def sized(self, batch_size: int) -> Stream:
        """The same data in training batches of another size; TaskError where the stream has its own."""
        raise TaskError(
            f"got batch_size={batch_size}, but {type(self).__name__} has batches of its own: batch_size=null"
        )

    def count(self, split: Split) -> int:
        """Examples of a split; goes through all of it."""
        return sum(map(rows_of, self.batches(split)))

    def to(self, device: torch.device | str) -> Self:
        """Itself: batches are moved one by one."""
        return self

    def check(self) -> None:
        """TaskError where it says no length of a pass."""
        if not getattr(self, "pass_steps", 0) >= 1:
            raise TaskError(
                f"{type(self).__name__} needs pass_steps, the training batches of one pass (>= 1)"
            )

    def check_for(self, task: str, *, batch_size: int, accumulated: bool) -> None:
        """TaskError where a task with this batch size, its metric accumulated or not, cannot have it."""
        if self.batch_size not in (None, batch_size):
            raise TaskError(
                f"the stream has batch_size={self.batch_size}, {task} has {batch_size}: make the DataLoader "
                "with batch_size=self.batch_size"
            )
        if not accumulated:
            raise TaskError(
                f"{task} has a stream, whose metric is accumulated: it needs meter(), which may return a "
                "tasks.metrics.mean.Mean"
            )


Data = Splits | Stream
"""What :meth:`tasks.base.Task.load` may return."""


class StreamFeed:
    """The batches of a stream. It is opened at the first batch that is asked for, and again only where a
    run has gone back or begun a new order."""

    def __init__(self, data: Stream, device: torch.device) -> None:
        self._data, self._device = data, device
        self._generator = torch.Generator()
        self._seed = self._position = 0
        self._open: Iterator[Batch] | None = None
        self._counts: dict[str, int] = {}

    def batch_size(self, asked: int) -> int:
        """The stream's own, else what was asked for."""
        return self._data.batch_size or asked

    def pass_steps(self, batch_size: int) -> int:
        """As for every feed."""
        return self._data.pass_steps

    def reseed(self, *key: object) -> None:
        """As for every feed."""
        self._generator.manual_seed(derive(*key, "order"))
        self._go_to(derive(*key, "stream"), 0)

    def next(self, task: Task, batch_size: int) -> Batch:
        """As for every feed; TaskError where the stream ends."""
        if self._open is None:
            self._open = self._data.train_batches(self._seed, self._position)
        batch = next(self._open, None)
        if batch is None:
            raise TaskError(
                f"the training batches of {type(self._data).__name__} ended after {self._position}, need one "
                "pass after the other without end"
            )
        self._position += 1
        return task.augment(self._moved(batch), self._generator)

    def sample(self, task: Task, batch_size: int, count: int, seed: int) -> list[Batch]:
        """As for every feed."""
        key = derive("sample", seed)
        generator = torch.Generator().manual_seed(key)
        found = islice(self._data.train_batches(key, 0), count)
        return [task.augment(self._moved(batch), generator) for batch in found]

    def batches(self, split: Split, size: int) -> Iterator[Batch]:
        """As for every feed, in the stream's own batches."""
        return map(self._moved, self._data.batches(split))

    def count(self, split: Split) -> int:
        """As for every feed; counted once."""
        if split not in self._counts:
            self._counts[split] = self._data.count(split)
        return self._counts[split]

    def state(self) -> dict[str, Any]:
        """The augmentation's generator, and seed and position in the stream."""
        return {"order": self._generator.get_state(), "stream": self._seed, "position": self._position}

    def restore(self, state: dict[str, Any]) -> None:
        """As for every feed."""
        self._generator.set_state(state["order"])
        self._go_to(state["stream"], state["position"])

    def _go_to(self, seed: int, position: int) -> None:
        if (seed, position) != (self._seed, self._position):
            self._open = None
        self._seed, self._position = seed, position

    def _moved(self, batch: Batch) -> Batch:
        return {k: v.to(self._device, non_blocking=True) for k, v in batch.items()}
