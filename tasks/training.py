"""A model, its optimizer and its data, and one step of their training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from arc.methods.run import Cost, get_lr, set_lr
from tasks import optimizers
from tasks.base import Batch, Data, Predictions, Stream, Task
from tasks.feed import feed
from tasks.joined import joined
from tasks.recipe import PLAIN, Recipe, cast, in_bfloat16
from tasks.seeding import derive


class Training:
    """One training, as it stands before a step and after it; :class:`tasks.loop.TaskRun` takes the steps.

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
            self.optimizer = joined(task.optimizer(self.model, lr), type(task).__name__)
        else:
            factory = optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
            self.optimizer = factory(self._parameters, lr)
        if recipe.weight_decay is not None:
            for group in self.optimizer.param_groups:
                group["weight_decay"] = recipe.weight_decay
        self.states = dict(task.states(self))  # type: ignore[arg-type]  # all that are made are TaskRuns
        self.reseed(seed, "train")

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
        return get_lr(self.optimizer)

    def set_lr(self, lr: float) -> None:
        """Set the first group's LR; the other groups keep their ratios to it."""
        set_lr(self.optimizer, lr)

    def reseed(self, *key: object) -> None:
        """Draw everything that comes from now on from fresh streams, and start a new order."""
        self._feed.reseed(*key)
        state = torch.Generator().manual_seed(derive(*key, "model")).get_state()
        self._rng = [state]
        if self.device.type == "cuda":
            device_generator = torch.Generator(self.device).manual_seed(derive(*key, "device"))
            self._rng.append(device_generator.get_state())

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

    # -- one step --------------------------------------------------------------------------------

    def next_batch(self) -> Batch:
        """The next training batch, augmented; advances the data position."""
        return self._feed.next(self.task, self.batch_size)

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
