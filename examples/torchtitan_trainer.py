"""ARC in torchtitan: torchtitan's Trainer, and a controller called every so many steps.

In your config registry: ARCTrainer.Config(...) in the place of Trainer.Config(...).
"""

from dataclasses import dataclass

import torch
from torchtitan.trainer import Trainer

import arc


class ARCTrainer(Trainer):
    @dataclass(kw_only=True, slots=True)
    class Config(Trainer.Config):
        every: int = 100  # steps from one call of the controller to the next

    controller = None

    def forward_backward_step(self, **batch):
        loss = super().forward_backward_step(**batch)
        self.losses.append(loss.detach().clone())  # of a micro-batch, already divided by all tokens
        return loss

    def train_step(self, data_iterator):
        if self.controller is None:  # not before: a checkpoint has been loaded by now
            self.controller = self.control()
        self.losses = []
        super().train_step(data_iterator)
        self.controller.record(torch.stack(self.losses).sum())
        if self.step % self.config.every == 0:
            self.controller.step()

    def control(self):
        warmup = max(0, self.config.lr_scheduler.warmup_steps - self.step + 1)
        if (
            self.step > 1 and not warmup
        ):  # resumed: the optimizers have their LRs again, the schedulers do not
            for scheduler in self.lr_schedulers:
                scheduler.base_lrs = [group["lr"] for group in scheduler.optimizer.param_groups]
        calls = (self.config.training.steps - self.step + 1) // self.config.every
        return arc.Controller(
            list(self.optimizers),
            scheduler=list(self.lr_schedulers),
            warmup=warmup,
            total_calls=max(1, calls),
        )
