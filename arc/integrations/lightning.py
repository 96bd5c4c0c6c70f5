"""Lightning callback (``pip install arc-lr[lightning]``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from arc.controller import Controller
from arc.integrations.build import build

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as missing:
    raise ImportError(
        "arc.integrations.lightning needs lightning: pip install arc-lr[lightning]"
    ) from missing


class ARCCallback(Callback):
    """Drives the LR of a Lightning training, with automatic or manual optimization.

    One loss is recorded per optimizer step: what ``training_step`` returned, or the logged metric
    ``train_loss`` where it returns none (manual optimization).

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the logged validation loss.
        train_loss: the logged training loss, used where ``training_step`` returns none.
        on: ``epoch`` calls the controller at the end of every training epoch (with the validation loss, if
            one was measured in it), ``validation`` at the end of every validation.
        optimizer: index of the optimizer that is driven, where there are several.
        settings: those of :class:`arc.Controller`; scheduler and model are added.

    The trainer's checkpoints hold the controller's state; schedulers of the module are scaled along.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        monitor: str = "val_loss",
        train_loss: str = "train_loss",
        on: Literal["epoch", "validation"] = "epoch",
        optimizer: int | None = None,
        **settings: Any,
    ) -> None:
        if on not in ("epoch", "validation"):
            raise ValueError(f"got on={on!r}, need 'epoch' or 'validation'")
        self.controller: Controller | None = None
        self._path = path
        self._monitor = monitor
        self._train_loss = train_loss
        self._on = on
        self._optimizer = optimizer
        self._settings = settings
        self._loaded: dict[str, Any] | None = None
        self._steps = 0
        self._val_loss: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Build the controller on the trainer's optimizer, restored state included."""
        index = self._optimizer
        if index is None:
            if len(trainer.optimizers) != 1:
                raise ValueError(f"got {len(trainer.optimizers)} optimizers, say which one: optimizer=0, ...")
            index = 0
        driven = trainer.optimizers[index]
        schedulers = [c.scheduler for c in trainer.lr_scheduler_configs if c.scheduler.optimizer is driven]
        self.controller = build(driven, self._path, self._settings, scheduler=schedulers, model=pl_module)
        self._steps = trainer.global_step
        if self._loaded is not None:
            self.controller.load_state_dict(self._loaded["controller"])
            self._val_loss = self._loaded["val_loss"]
            self._loaded = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the loss, if the optimizer has stepped."""
        assert self.controller is not None
        if trainer.global_step == self._steps:  # gradients are being accumulated
            return
        self._steps = trainer.global_step
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is None:
            loss = trainer.callback_metrics.get(self._train_loss)
        if loss is None:
            raise ValueError(
                f"training_step returned no loss and logged no {self._train_loss!r}: return it, or log it "
                "and name it in train_loss="
            )
        self.controller.record(loss)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the validation loss."""
        if trainer.sanity_checking or self.controller is None:
            return
        value: Tensor | None = trainer.callback_metrics.get(self._monitor)
        if value is None:
            logged = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise ValueError(f"got monitor={self._monitor!r}, but the module logged {logged}")
        self._val_loss = float(value)
        if self._on == "validation":
            self._step()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the controller decide."""
        if self._on == "epoch":
            self._step()

    def _step(self) -> None:
        assert self.controller is not None
        val_loss, self._val_loss = self._val_loss, None
        self.controller.step(val_loss=val_loss)

    def state_dict(self) -> dict[str, Any]:
        """For the trainer's checkpoints."""
        if self.controller is None:
            return self._loaded or {}
        return {"controller": self.controller.state_dict(), "val_loss": self._val_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until the training starts: the optimizer does not exist yet."""
        self._loaded = state_dict or None
