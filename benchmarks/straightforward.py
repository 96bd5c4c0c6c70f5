"""The yardstick of :mod:`benchmarks.data_gen`: the program that one would write without this project."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from arc.actions import Action
from tasks.base import Batch, Splits, Task
from tasks.loop import joined

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}
"""As a user would write them, without fused or foreach kernels."""


class Rows(Dataset[Batch]):
    """A split, one example at a time."""

    def __init__(self, split: Batch) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(next(iter(self.split.values())))

    def __getitem__(self, row: int) -> Batch:
        return {k: v[row] for k, v in self.split.items()}


class Straightforward:
    """The program that ours is compared with: the same task, data and trial, written plainly."""

    def __init__(self, task: Task, data: Splits, optimizer: str, lr: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.task, self.data = task, data
        self.generator = torch.Generator().manual_seed(seed)
        self.model = task.build()
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters(), lr=lr)
        self.train_loader = DataLoader(Rows(data.train), task.batch_size, shuffle=True, drop_last=True)
        self.val_loader = DataLoader(Rows(data.val), task.batch_size)

    def epoch(self) -> list[float]:
        """Train for one epoch; the loss of every step."""
        self.model.train()
        losses = []
        for batch in self.train_loader:
            batch = self.task.augment(batch, self.generator)
            self.optimizer.zero_grad()
            loss, _ = self.task.forward(self.model, batch)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses

    def evaluate(self, *, metric: bool) -> tuple[float, float | None]:
        """Validation loss and metric."""
        self.model.eval()
        total, parts = 0.0, []
        with torch.no_grad():
            for batch in self.val_loader:
                loss, predicted = self.task.forward(self.model, batch)
                total += loss.item() * len(next(iter(batch.values())))
                parts.append(predicted)
        score = self.task.metric(joined(parts), self.data.val) if metric else None
        return total / len(Rows(self.data.val)), score

    def cycle(self, lr: float, period: int) -> list[float]:
        """Trunk and three branches; the trunk's validation losses."""
        self._set_lr(lr)
        losses = []
        for _ in range(period):
            self.epoch()
            losses.append(self.evaluate(metric=True)[0])
        checkpoint = copy.deepcopy((self.model.state_dict(), self.optimizer.state_dict()))
        for action in Action:
            self._restore(checkpoint)
            self._set_lr(lr * action.multiplier)
            for _ in range(period):
                self.epoch()
                self.evaluate(metric=False)
        self._restore(checkpoint)
        return losses

    def _set_lr(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def _restore(self, checkpoint: tuple[dict[str, Any], dict[str, Any]]) -> None:
        model, optimizer = copy.deepcopy(checkpoint)
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
