"""Lightning callback (``pip install 'arc-lr[lightning]'``)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from arc.integrations.build import Adapter, adopted, allowed, announce, build, chosen, lightning_lrs, logged
from arc.integrations.monitor import loss_name
from arc.integrations.plan import of_lightning, tell_of_schedules

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import LearningRateMonitor
except ImportError as missing:
    raise ImportError(
        "arc.integrations.lightning needs lightning: pip install 'arc-lr[lightning]'"
    ) from missing


class ARCCallback(Adapter, Callback):
    """Drives the LR of a Lightning training, with automatic or manual optimization.

    One loss is recorded per batch in which the driven optimizer stepped (a GradScaler may skip it): what
    ``training_step`` returned, as a mean over the batches whose gradients were accumulated; or the logged
    metric ``train_loss`` where it returns none (manual optimization).

    How often the controller will be called (``total_calls``) the callback knows from ``max_epochs``,
    ``max_steps``, ``val_check_interval`` and ``check_val_every_n_epoch``. After every call the LR goes to
    the trainer's loggers as ``lr-<Optimizer>``, a decision as ``arc-factor`` and ``arc-distance`` (decades
    from the best LR, as estimated). Beside an :class:`arc.Scheduler` it records training losses only.

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the logged validation loss.
        train_loss: the logged training loss, used where ``training_step`` returns none.
        on: ``epoch`` calls the controller at the end of every training epoch (with the validation loss, if
            one was measured in it), ``validation`` at the end of every validation.
        optimizer: index of the optimizer that is driven, where there are several; a list of them moves
            together. A callback each, with its own index, drives them apart.
        settings: of :class:`arc.Controller`; scheduler, model, ``total_calls``, ``verbose=True`` are added.

    Raises:
        ValueError: at the start or at a validation, for what the trainer or the module does not have.

    The trainer's checkpoints hold the controller's state; schedulers of the module are scaled along.
    """

    begins = "trainer.fit()"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        monitor: str = "val_loss",
        train_loss: str = "train_loss",
        on: Literal["epoch", "validation"] = "epoch",
        optimizer: int | Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        if on not in ("epoch", "validation"):
            raise ValueError(f"got on={on!r}, need 'epoch' or 'validation'")
        self._path = path
        self._monitor = loss_name(monitor)
        self._train_loss = train_loss
        self._on = on
        self._optimizer = optimizer
        self._settings = allowed(self, settings)
        self._loaded: dict[str, Any] | None = None
        self._calls = True  # an arc.Scheduler is called by the trainer
        self._driven: list[Any] = []
        self._hooks: list[Any] = []
        self._stepped = self._recorded = False
        self._losses: list[Tensor] = []  # of the batches since the last step of the optimizer
        self._val_loss: float | None = None

    @property
    def state_key(self) -> str:
        """Of the checkpoint's entry: callbacks for different optimizers have one each."""
        if self._optimizer is None:
            return super().state_key
        return self._generate_state_key(optimizer=self._optimizer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Build the controller on the trainer's optimizer, restored state included."""
        self._driven = driven = chosen(trainer.optimizers, self._optimizer)
        schedulers = [c.scheduler for c in trainer.lr_scheduler_configs if c.scheduler.optimizer in driven]
        self._made = adopted(schedulers, self._path, self._settings)
        self._calls = self._made is None
        if self._calls and self._on == "validation" and not trainer.enable_validation:
            raise ValueError("got on='validation', but the trainer validates nothing: take on='epoch'")
        if self._made is None:
            self._made = build(
                driven[0] if len(driven) == 1 else driven,
                self._path,
                self._settings,
                scheduler=schedulers,
                model=pl_module,
                calls=of_lightning(trainer, self._on),
            )
            tell_of_schedules(trainer, schedulers)
        self._stepped, self._recorded, self._losses, self._val_loss = False, False, [], None
        self._hooks = [optimizer.register_step_post_hook(self._see_step) for optimizer in driven]
        self._load(trainer)
        self._log(trainer, {})

    def _load(self, trainer: Trainer) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None and self._calls:
            self.controller.load_state_dict(loaded["controller"])
            self._val_loss = loaded["val_loss"]
            self._recorded = loaded["controller"]["records"] > 0
        elif self._calls and trainer.global_step and trainer.ckpt_path is not None:
            warnings.warn("the checkpoint has no state of ARC: the controller starts afresh", stacklevel=3)

    def _see_step(self, *_: Any) -> None:
        self._stepped = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the loss, if the optimizer has stepped."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:  # Lightning has divided it by the number of batches that it accumulates
            divisor = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            self._losses.append(loss.detach().reshape(()) * divisor)
        if not self._stepped:
            return
        self._stepped = False
        losses, self._losses = self._losses, []
        if not losses:
            loss = trainer.callback_metrics.get(self._train_loss)
            if loss is None:
                raise ValueError(
                    f"training_step returned no loss and logged no {self._train_loss!r}: return it, or log "
                    "it and name it in train_loss="
                )
            losses = [loss]
        self.controller.record(losses[0] if len(losses) == 1 else torch.stack(losses).mean())
        self._recorded = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the validation loss of a training's validation."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self._made is None or not self._calls:
            return
        value: Tensor | None = trainer.callback_metrics.get(self._monitor)
        if value is None:
            logged = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise ValueError(
                f"got monitor={self._monitor!r}, but the module logged {logged}: write "
                "ARCCallback(monitor=...), or log it in validation_step"
            )
        self._val_loss = float(value)
        if self._on == "validation":
            self._step(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the controller decide."""
        if self._on == "epoch":
            self._step(trainer)

    def _step(self, trainer: Trainer) -> None:
        val_loss, self._val_loss = self._val_loss, None
        if not (self._calls and self._recorded):  # no step of this optimizer since the last call
            return
        self._recorded = False
        decision = self.controller.step(val_loss=val_loss)
        count = f"epoch {trainer.current_epoch}" if self._on == "epoch" else f"step {trainer.global_step}"
        announce(decision, self._settings, count)
        self._log(trainer, logged(decision, "-"))

    def _log(self, trainer: Any, metrics: dict[str, float]) -> None:  # Trainer's type names no callbacks
        if not any(isinstance(callback, LearningRateMonitor) for callback in trainer.callbacks):
            metrics |= lightning_lrs(trainer.optimizers, self._driven)
        for logger in trainer.loggers if metrics else ():
            logger.log_metrics(metrics, step=trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the hooks off the optimizers."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def state_dict(self) -> dict[str, Any]:
        """For the trainer's checkpoints; empty where an arc.Scheduler has the state."""
        if self._made is None or not self._calls:
            return self._loaded or {}
        return {"controller": self.controller.state_dict(), "val_loss": self._val_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until the training starts: the optimizer does not exist yet."""
        self._loaded = state_dict or None
