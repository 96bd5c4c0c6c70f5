"""A :class:`~arc.methods.run.Run` around a training of one's own."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from arc.methods import random_state
from arc.methods.random_state import refuse_one_pass, sample
from arc.methods.run import Closure, Cost, Step, kept_buffers, size_of
from arc.optimizers.learning_rates import load_state

LossFunction = Callable[[nn.Module, Any], Tensor]


class TorchRun:
    """Lets any method drive a torch training.

    Args:
        model: on its device, in training mode.
        optimizer: over the model's parameters, at the initial LR.
        loss_fn: ``loss_fn(model, batch) -> scalar tensor``, the mean over the batch.
        train_batches: re-iterable (a ``DataLoader``, a list); every pass is one epoch.
        val_fn: ``val_fn() -> float``, the validation loss; only some methods need it.
        steps_per_epoch: batches of a pass, where ``train_batches`` has no length.

    Override :meth:`update` for gradient clipping, accumulation or mixed precision.

    A snapshot holds model, optimizer, random states (Python, NumPy, torch, and the generator of a
    ``DataLoader``) and the position in the epoch. Restoring it reads the batches up to that position
    once more, without training on them.

    Raises:
        TypeError: batches that can be read only once, or have no known length.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> from arc.methods import AutoDrop
        >>> model, inputs = nn.Linear(2, 1), torch.ones(4, 2)
        >>> run = TorchRun(
        ...     model, torch.optim.SGD(model.parameters(), lr=0.1),
        ...     lambda model, batch: mse_loss(model(batch), batch[:, :1]), [inputs, inputs],
        ... )
        >>> for losses in AutoDrop(delay=1).drive(run, steps=4):
        ...     print(len(losses), run.step_count)
        2 2
        2 4
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: LossFunction,
        train_batches: Iterable[Any],
        val_fn: Callable[[], float | Tensor] | None = None,
        *,
        steps_per_epoch: int | None = None,
    ) -> None:
        refuse_one_pass(train_batches)
        if steps_per_epoch is None and not hasattr(train_batches, "__len__"):
            raise TypeError(f"{type(train_batches).__name__} has no length, pass steps_per_epoch=")
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.train_batches = train_batches
        self.val_fn = val_fn
        self.cost = Cost()
        self.step_count = 0
        self._length = steps_per_epoch or len(train_batches)  # type: ignore[arg-type]
        self._position = 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass over the training data."""
        return self._length

    # -- training ------------------------------------------------------------------------------

    def update(self, batch: Any) -> Tensor:
        """One optimizer step on one batch; its loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_fn(self.model, batch)
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, steps: int, step: Step | None = None) -> list[float]:
        """Take optimizer steps on the next batches; ``step`` replaces :meth:`update`."""
        began = time.perf_counter()
        losses: list[Tensor] = []
        for _ in range(steps):
            batch = self._next_batch()
            if step is None:
                losses.append(self.update(batch).detach())
            else:
                compute = lambda batch=batch: self.loss_fn(self.model, batch)  # noqa: E731
                losses.append(torch.tensor(step(Closure(self.model, compute, self.cost))))
        self.step_count += steps
        if step is None:  # a closure counts its own passes
            self.cost.add(forwards=steps, backwards=steps)
        values: list[float] = torch.stack(losses).tolist()
        self.cost.add(steps=steps, seconds=time.perf_counter() - began)
        return values

    def _begin_epoch(self) -> None:
        self._epoch_start = random_state.capture(self.train_batches)
        self._batches: Iterator[Any] = iter(self.train_batches)
        self._position = 0

    def _next_batch(self) -> Any:
        if self._position in (0, self._length):
            self._begin_epoch()
        try:
            batch = next(self._batches)
        except StopIteration:
            raise ValueError(
                f"train_batches ended after {self._position} batches, expected {self._length}; "
                "it must give the same number in every pass"
            ) from None
        self._position += 1
        return batch

    # -- measuring -----------------------------------------------------------------------------

    def validate(self) -> float:
        """What ``val_fn`` returns; random states and training modes stay as they were."""
        if self.val_fn is None:
            raise ValueError("this method validates: pass val_fn=<function that returns the validation loss>")
        began = time.perf_counter()
        forwards = 0

        def count(*_: object) -> None:
            nonlocal forwards
            forwards += 1

        modes = [(module, module.training) for module in self.model.modules()]
        hook = self.model.register_forward_hook(count)
        try:
            with random_state.kept(), torch.no_grad():
                loss = float(self.val_fn())
        finally:
            hook.remove()
            for module, mode in modes:
                module.training = mode
        self.cost.add(forwards=max(1, forwards), seconds=time.perf_counter() - began)
        return loss

    def sample(self, count: int, seed: int) -> list[Any]:
        """The first ``count`` batches of passes on the side, shuffled by ``seed``."""
        return sample(self.train_batches, count, seed)

    def loss(self, batches: Iterable[Any], *, update_statistics: bool = False) -> float:
        """The mean training loss on batches, with the same draws in every call and no trace of it."""
        began = time.perf_counter()
        keep = contextlib.nullcontext() if update_statistics else kept_buffers(self.model)
        with random_state.kept(), torch.no_grad(), keep:
            losses = [self.loss_fn(self.model, batch).double() for batch in batches]
        self.cost.add(forwards=len(losses), seconds=time.perf_counter() - began)
        return torch.stack(losses).mean().item()

    # -- checkpoints ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Model, optimizer, random states, position in the epoch: plain types and tensors."""
        began = time.perf_counter()
        position = self._position % self._length
        taken = {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "draws": random_state.capture(self.train_batches),
            "epoch_start": self._epoch_start if position else None,
            "position": position,
            "step_count": self.step_count,
        }
        size = size_of(taken["model"]) + size_of(taken["optimizer"])
        self.cost.add(snapshots=1, snapshot_bytes=size, seconds=time.perf_counter() - began)
        return taken

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from a snapshot; it stays valid and can be restored again."""
        began = time.perf_counter()
        self.model.load_state_dict(snapshot["model"])
        load_state(self.optimizer, snapshot["optimizer"])
        self._position = 0
        if snapshot["position"]:
            random_state.restore(snapshot["epoch_start"], self.train_batches)
        for _ in range(snapshot["position"]):
            self._next_batch()
        random_state.restore(snapshot["draws"], self.train_batches)
        self.step_count = snapshot["step_count"]
        self.cost.add(seconds=time.perf_counter() - began)
