"""A task's data where they come batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, Self

import torch

from tasks.errors import TaskError
from tasks.splits import Batch, Splits, rows_of

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


Data = Splits | Stream
"""What :meth:`tasks.base.Task.load` may return."""
