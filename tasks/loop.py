"""The one training loop: data_gen, proxy_eval and the benchmarks all drive a TaskRun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from arc.methods.run import Closure, Cost, Step, kept_buffers
from tasks import optimizers
from tasks.base import Batch, Predictions, Splits, Task
from tasks.recipe import PLAIN, Recipe, cast, in_bfloat16
from tasks.seeding import derive


class Evaluation(NamedTuple):
    """Mean loss over a split, and the task's metric (None where it was not asked for)."""

    loss: float
    metric: float | None


class TaskRun:
    """One training in flight. Offers what :class:`arc.methods.run.Run` asks for.

    All randomness (initial weights, order of the data, augmentation, dropout) comes from ``seed``;
    torch's default generator is borrowed during a call and given back as it was.

    Args:
        task: what is trained.
        data: its splits, already on ``device``.
        optimizer: a name of :data:`tasks.optimizers.OPTIMIZERS`, ``own`` (the task's), or a factory
            ``(parameters, lr) -> Optimizer``.
        lr: initial LR.
        seed: decides the whole run.
        device: of model and data.
        recipe: batch size, steps of an epoch, weight decay, clipping, warmup, precision. Warmup and clipping
            are of the run's own steps: a method that takes the optimizer's place does without.
    """

    def __init__(
        self,
        task: Task,
        data: Splits,
        *,
        optimizer: str | optimizers.Factory,
        lr: float,
        seed: int,
        device: torch.device | str = "cpu",
        recipe: Recipe = PLAIN,
    ) -> None:
        self.task = task
        self.recipe = recipe
        self.data = data
        self.device = torch.device(device)
        self.cost = Cost()
        self.step_count = 0
        self._examples = len(next(iter(data.train.values())))
        self._order = torch.Generator()
        self._rng: list[Tensor] = []
        self.reseed(seed, "init")
        with self.borrowed_rng():
            self.model = task.build().to(self.device)
        if recipe.precision == "bfloat16":
            in_bfloat16(self.model)
        self._parameters = list(self.model.parameters())
        if optimizer == optimizers.OWN:
            self.optimizer = task.optimizer(self.model, lr)
        else:
            factory = optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
            self.optimizer = factory(self._parameters, lr)
        if recipe.weight_decay is not None:
            for group in self.optimizer.param_groups:
                group["weight_decay"] = recipe.weight_decay
        self.reseed(seed, "train")

    # -- the run as it stands ------------------------------------------------------------------

    @property
    def batch_size(self) -> int:
        """Examples of one step: the recipe's or the task's batch size, or all where there are fewer."""
        return min(self.recipe.batch_size or self.task.batch_size, self._examples)

    @property
    def pass_steps(self) -> int:
        """Optimizer steps of one pass over the data; the last, incomplete batch of an order is dropped."""
        return self._examples // self.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of what counts as an epoch: the recipe's, or a pass over the data."""
        return self.recipe.epoch_steps or self.pass_steps

    @property
    def lr(self) -> float:
        """The LR of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """Set the first group's LR; the other groups keep their ratios to it."""
        ratio = lr / self.lr
        for group in self.optimizer.param_groups:
            group["lr"] = float(group["lr"]) * ratio
        self.optimizer.param_groups[0]["lr"] = lr

    def reseed(self, *key: object) -> None:
        """Draw everything that comes from now on from fresh streams, and start a new order."""
        self._order.manual_seed(derive(*key, "order"))
        state = torch.Generator().manual_seed(derive(*key, "model")).get_state()
        self._rng = [state]
        if self.device.type == "cuda":
            device_generator = torch.Generator(self.device).manual_seed(derive(*key, "device"))
            self._rng.append(device_generator.get_state())
        self._permutation = torch.empty(0, dtype=torch.long)
        self._cursor = 0

    # -- training ------------------------------------------------------------------------------

    def next_batch(self) -> Batch:
        """The next training batch, augmented; advances the data position."""
        if self._cursor + self.batch_size > len(self._permutation):
            self._permutation = torch.randperm(self._examples, generator=self._order)
            self._cursor = 0
        rows = self._permutation[self._cursor : self._cursor + self.batch_size]
        rows = rows.to(self.device, non_blocking=True)
        self._cursor += self.batch_size
        batch = {k: v.index_select(0, rows) for k, v in self.data.train.items()}
        return self.task.augment(batch, self._order)

    def train(self, steps: int, step: Step | None = None) -> list[float]:
        """Take ``steps`` optimizer steps; the training loss of each, read back once at the end.

        ``step`` replaces the optimizer's own step.
        """
        began = time.perf_counter()
        losses = torch.empty(steps, device=self.device)
        self.model.train()
        with self.borrowed_rng():
            for i in range(steps):
                batch = self.next_batch()
                losses[i] = self._step(batch) if step is None else step(self._closure(batch))
        if step is None:
            self.cost.add(forwards=steps, backwards=steps)
        else:  # a closure counts its own passes
            self.step_count += steps
        self.cost.add(steps=steps, seconds=time.perf_counter() - began)
        return losses.tolist()

    def _step(self, batch: Batch) -> Tensor:
        for parameter in self._parameters:  # what zero_grad does, at a fifth of its time
            parameter.grad = None
        loss, _ = self._forward(batch)
        loss.backward()
        self.update()
        return loss.detach()

    def update(self) -> None:
        """One step of the optimizer on the present gradients, clipped and warmed up as the recipe says."""
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip)
        self.step_count += 1
        if self.step_count > self.recipe.warmup:
            self.optimizer.step()
            return
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] * self.step_count / self.recipe.warmup
        self.optimizer.step()
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr

    def _forward(self, batch: Batch) -> tuple[Tensor, Predictions]:
        if self.recipe.precision != "autocast":
            return self.task.forward(self.model, batch)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss, predictions = self.task.forward(self.model, batch)
        return loss.float(), cast(predictions, torch.float32)

    def _closure(self, batch: Batch) -> Closure:
        return Closure(self.model, lambda: self._forward(batch)[0], self.cost)

    # -- evaluation ----------------------------------------------------------------------------

    def evaluate(self, split: str = "val", *, metric: bool = True) -> Evaluation:
        """Loss and metric of a whole split; changes no state of the run."""
        data: Batch = getattr(self.data, split)
        count = len(next(iter(data.values())))
        size = 4 * max(self.batch_size, min(self.task.batch_size, self._examples))
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        predictions: list[Predictions] = []
        self.model.eval()
        with self.borrowed_rng(keep=False), torch.no_grad():
            for start in range(0, count, size):
                batch = {k: v[start : start + size] for k, v in data.items()}
                loss, predicted = self._forward(batch)
                total += loss.double() * min(size, count - start)
                if metric:
                    predictions.append(predicted)
            score = self.task.metric(_concatenate(predictions), data) if metric else None
        self.model.train()
        return Evaluation(total.item() / count, score)

    def validate(self) -> float:
        """The validation loss, charged to the run (what a method asks for, not the bookkeeper)."""
        began = time.perf_counter()
        loss = self.evaluate("val", metric=False).loss
        rows = len(next(iter(self.data.val.values())))
        self.cost.add(forwards=-(-rows // self.batch_size), seconds=time.perf_counter() - began)
        return loss

    def sample(self, count: int, seed: int) -> list[Batch]:
        """``count`` training batches that ``seed`` decides; the order of training stays as it is."""
        generator = torch.Generator().manual_seed(derive("sample", seed))
        batches: list[Batch] = []
        while len(batches) < count:
            order = torch.randperm(self._examples, generator=generator)
            for rows in order.split(self.batch_size)[: min(self.pass_steps, count - len(batches))]:
                batch = {k: v.index_select(0, rows.to(self.device)) for k, v in self.data.train.items()}
                batches.append(self.task.augment(batch, generator))
        return batches

    def loss(self, batches: Iterable[Batch], *, update_statistics: bool = False) -> float:
        """The mean training loss on batches of :meth:`sample`, with the same draws in every call."""
        began = time.perf_counter()
        keep = contextlib.nullcontext() if update_statistics else kept_buffers(self.model)
        self.model.train()
        with self.borrowed_rng(keep=False), torch.no_grad(), keep:
            losses = [self._forward(batch)[0].double() for batch in batches]
        self.cost.add(forwards=len(losses), seconds=time.perf_counter() - began)
        return torch.stack(losses).mean().item()

    # -- checkpoints ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides the continuation: model, optimizer, random states, data position."""
        began = time.perf_counter()
        taken = {
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": _cloned(self.optimizer.state_dict()),
            "rng": [state.clone() for state in self._rng],
            "order": self._order.get_state(),
            "permutation": self._permutation,
            "cursor": self._cursor,
            "step_count": self.step_count,
        }
        self.cost.add(snapshots=1, snapshot_bytes=_bytes(taken), seconds=time.perf_counter() - began)
        return taken

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from a snapshot; it stays valid and can be restored again."""
        began = time.perf_counter()
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(_cloned(snapshot["optimizer"]))
        self._rng = [state.clone() for state in snapshot["rng"]]
        self._order.set_state(snapshot["order"])
        self._permutation = snapshot["permutation"]
        self._cursor = snapshot["cursor"]
        self.step_count = snapshot["step_count"]
        self.cost.add(seconds=time.perf_counter() - began)

    @contextlib.contextmanager
    def borrowed_rng(self, *, keep: bool = True) -> Iterator[None]:
        """Run the body on this run's random state; put the caller's back afterwards."""
        cuda = self.device.type == "cuda"
        before = [torch.get_rng_state()]
        torch.set_rng_state(self._rng[0])
        if cuda:
            before.append(torch.cuda.get_rng_state(self.device))
            torch.cuda.set_rng_state(self._rng[1], self.device)
        try:
            yield
        finally:
            if keep:
                self._rng = [torch.get_rng_state()]
                if cuda:
                    self._rng.append(torch.cuda.get_rng_state(self.device))
            torch.set_rng_state(before[0])
            if cuda:
                torch.cuda.set_rng_state(before[1], self.device)


def _concatenate(parts: list[Predictions]) -> Predictions:
    if isinstance(parts[0], Tensor):
        return torch.cat([p for p in parts if isinstance(p, Tensor)])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _cloned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cloned(v) for v in value)
    return value


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(_bytes(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(_bytes(v) for v in value)
    return 0
