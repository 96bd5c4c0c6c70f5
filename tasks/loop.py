"""The one training loop: data_gen, proxy_eval and the benchmarks all drive a TaskRun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from arc.methods.run import Closure, Cost, Step, kept_buffers
from tasks import optimizers
from tasks.base import Batch, Data, Predictions, Stream, Task, TaskError
from tasks.copied import cloned, size_of
from tasks.feed import feed
from tasks.recipe import PLAIN, Recipe, cast, in_bfloat16
from tasks.seeding import derive
from tasks.splits import rows_of
from tasks.stream import Split


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
        data: its splits, already on ``device``, or its stream.
        optimizer: a name of :data:`tasks.optimizers.OPTIMIZERS`, ``own`` (the task's), or a factory
            ``(parameters, lr) -> Optimizer``.
        lr: initial LR.
        seed: decides the whole run.
        device: of model and data.
        recipe: batch size, steps of an epoch, weight decay, clipping, warmup, precision. Warmup and clipping
            are of the run's own steps: a method that takes the optimizer's place does without. Where it says
            float32 or no warmup, the task's own hooks count.
    """

    def __init__(
        self,
        task: Task,
        data: Data,
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
        if isinstance(data, Stream) and recipe.batch_size is not None:
            data = data.sized(recipe.batch_size)
        self._feed = feed(data, self.device)
        self.recipe = recipe = replace(
            recipe,
            precision=task.precision(self.device) if recipe.precision == "float32" else recipe.precision,
            warmup=recipe.warmup or task.warmup(self.steps_per_epoch),
        )
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
        self.states = dict(task.states(self))
        self.reseed(seed, "train")

    # -- the run as it stands ------------------------------------------------------------------

    @property
    def batch_size(self) -> int:
        """Examples of one step: the recipe's or the task's batch size, or all where there are fewer."""
        return self._feed.batch_size(self.recipe.batch_size or self.task.batch_size)

    @property
    def pass_steps(self) -> int:
        """Optimizer steps of one pass over the data."""
        return self._feed.pass_steps(self.batch_size)

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
        self._feed.reseed(*key)
        state = torch.Generator().manual_seed(derive(*key, "model")).get_state()
        self._rng = [state]
        if self.device.type == "cuda":
            device_generator = torch.Generator(self.device).manual_seed(derive(*key, "device"))
            self._rng.append(device_generator.get_state())

    # -- training ------------------------------------------------------------------------------

    def next_batch(self) -> Batch:
        """The next training batch, augmented; advances the data position."""
        return self._feed.next(self.task, self.batch_size)

    def train(self, steps: int, step: Step | None = None) -> list[float]:
        """Take ``steps`` optimizer steps; the training loss of each, read back once at the end.

        ``step`` replaces the optimizer's own step.
        """
        began = time.perf_counter()
        losses = torch.empty(steps, device=self.device)
        before = self.step_count
        self.model.train()
        with self.borrowed_rng():
            for i in range(steps):
                batch = self.next_batch()
                losses[i] = self.task.step(self, batch) if step is None else step(self._closure(batch))
        if step is None:
            self.cost.add(forwards=steps, backwards=steps)
            if self.step_count != before + steps:
                made = self.step_count - before
                raise TaskError(f"{steps} calls of step() made {made} of run.update(), need one each")
        else:  # a closure counts its own passes
            self.step_count += steps
        self.cost.add(steps=steps, seconds=time.perf_counter() - began)
        return losses.tolist()

    def step(self, batch: Batch) -> Tensor:
        """The plain step: forward, backward, :meth:`update`; the loss, detached."""
        self.zero_grad()
        loss, _ = self.forward(batch)
        loss.backward()
        self.update()
        return loss.detach()

    def zero_grad(self) -> None:
        """Drop the gradients, at a fifth of the time of the optimizer's own ``zero_grad``."""
        for parameter in self._parameters:
            parameter.grad = None

    def update(self, step: Callable[[], object] | None = None) -> None:
        """One step of the optimizer on the present gradients, clipped and warmed up as the recipe says.

        ``step`` stands for ``optimizer.step``: a GradScaler's, say.
        """
        step = step or self.optimizer.step
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip)
        self.step_count += 1
        if self.step_count > self.recipe.warmup:
            step()
            return
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] * self.step_count / self.recipe.warmup
        step()
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr

    def forward(self, batch: Batch) -> tuple[Tensor, Predictions]:
        """The loss and the predictions of a batch, computed in the recipe's precision."""
        if self.recipe.precision != "autocast":
            return self.task.forward(self.model, batch)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss, predictions = self.task.forward(self.model, batch)
        return loss.float(), cast(predictions, torch.float32)

    def _closure(self, batch: Batch) -> Closure:
        return Closure(self.model, lambda: self.forward(batch)[0], self.cost)

    # -- evaluation ----------------------------------------------------------------------------

    def evaluate(self, split: Split = "val", *, metric: bool = True) -> Evaluation:
        """Loss and metric of a whole split; changes no state of the run."""
        size = 4 * max(self.batch_size, self._feed.batch_size(self.task.batch_size))
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        count = 0
        meter = self.task.meter() if metric else None
        predictions: list[Predictions] = []
        self.model.eval()
        with self.borrowed_rng(keep=False), torch.no_grad():
            for batch in self._feed.batches(split, size):
                loss, predicted = self.forward(batch)
                total += loss.double() * rows_of(batch)
                count += rows_of(batch)
                if meter is not None:
                    meter.update(predicted, batch)
                elif metric:
                    predictions.append(predicted)
            score = meter.compute() if meter is not None else None
            if predictions:
                score = self.task.metric(_concatenate(predictions), getattr(self.data, split))
        self.model.train()
        return Evaluation(total.item() / count, score)

    @property
    def validation_passes(self) -> int:
        """Forward passes of one validation, as :meth:`validate` charges them."""
        return -(-self._feed.count("val") // self.batch_size)

    def validate(self) -> float:
        """The validation loss, charged to the run (what a method asks for, not the bookkeeper)."""
        began = time.perf_counter()
        loss = self.evaluate("val", metric=False).loss
        self.cost.add(forwards=self.validation_passes, seconds=time.perf_counter() - began)
        return loss

    def sample(self, count: int, seed: int) -> list[Batch]:
        """``count`` training batches that ``seed`` decides; the order of training stays as it is."""
        return self._feed.sample(self.task, self.batch_size, count, seed)

    def loss(self, batches: Iterable[Batch], *, update_statistics: bool = False) -> float:
        """The mean training loss on batches of :meth:`sample`, with the same draws in every call."""
        began = time.perf_counter()
        keep = contextlib.nullcontext() if update_statistics else kept_buffers(self.model)
        self.model.train()
        with self.borrowed_rng(keep=False), torch.no_grad(), keep:
            losses = [self.forward(batch)[0].double() for batch in batches]
        self.cost.add(forwards=len(losses), seconds=time.perf_counter() - began)
        return torch.stack(losses).mean().item()

    # -- checkpoints ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides the continuation: model, optimizer, random states, data position."""
        began = time.perf_counter()
        taken = {
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": cloned(self.optimizer.state_dict()),
            "rng": [state.clone() for state in self._rng],
            **self._feed.state(),
            "step_count": self.step_count,
            "states": {name: cloned(state.state_dict()) for name, state in self.states.items()},
        }
        self.cost.add(snapshots=1, snapshot_bytes=size_of(taken), seconds=time.perf_counter() - began)
        return taken

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from a snapshot; it stays valid and can be restored again."""
        began = time.perf_counter()
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(cloned(snapshot["optimizer"]))
        self._rng = [state.clone() for state in snapshot["rng"]]
        self._feed.restore(snapshot)
        for name, state in self.states.items():
            state.load_state_dict(cloned(snapshot["states"][name]))
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
