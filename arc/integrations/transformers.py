"""Hugging Face ``Trainer`` callback (``pip install arc-lr[hf]``)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from arc.controller import Controller
from arc.integrations.build import build

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as missing:
    raise ImportError("arc.integrations.transformers needs transformers: pip install arc-lr[hf]") from missing

STATE_FILE = "arc_controller.pt"
"""The controller's state inside each of the trainer's checkpoint folders."""


class ARCCallback(TrainerCallback):
    """Drives the LR of a ``Trainer``.

    The trainer's scheduler rewrites the LR in every step, even with ``lr_scheduler_type="constant"``; its
    base LRs are scaled along. Take ``constant`` or ``constant_with_warmup``: another schedule goes on
    falling whatever the controller does.

    The training loss of every optimizer step is read from the model's output, without a synchronisation;
    where the model's output has no loss (a ``compute_loss`` of one's own) the logged one is used.

    The controller is called after every evaluation, or after every epoch where ``eval_strategy`` is ``no``.

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the evaluation's loss.
        resume_from: the checkpoint folder that a resumed training starts from; by default
            ``<output_dir>/checkpoint-<step>``.
        settings: those of :class:`arc.Controller`; scheduler and model are added.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        monitor: str = "eval_loss",
        resume_from: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self.controller: Controller | None = None
        self._path = path
        self._monitor = monitor
        self._resume_from = resume_from
        self._settings = settings
        self._hook: Any = None
        self._loss: Tensor | None = None
        self._sees_losses = False
        self._recorded = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Build the controller on the trainer's optimizer and scheduler."""
        optimizer, model = kwargs["optimizer"], kwargs["model"]
        optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate's wrapper
        self.controller = build(
            optimizer,
            self._path,
            self._settings,
            scheduler=kwargs["lr_scheduler"],
            model=model,
        )
        self._recorded = False
        if state.global_step:
            self._resume(args, state)
        self._hook = model.register_forward_hook(self._see)

    def _resume(self, args: TrainingArguments, state: TrainerState) -> None:
        assert self.controller is not None
        folder = Path(self._resume_from or Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        file = folder / STATE_FILE
        if not file.is_file():
            warnings.warn(f"no {file}: the controller starts afresh; pass resume_from=", stacklevel=3)
            return
        self.controller.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        self._recorded = True

    def _see(self, model: nn.Module, inputs: Any, output: Any) -> None:
        if not model.training:
            return
        loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if isinstance(loss, Tensor) and loss.numel() == 1:
            self._loss = loss.detach()
            self._sees_losses = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the loss of the optimizer step."""
        if self._loss is not None:
            self._record(self._loss)
            self._loss = None

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the logged loss, where the model's output has none."""
        logs = kwargs.get("logs") or {}
        if not self._sees_losses and "loss" in logs and self._hook is not None:
            self._record(logs["loss"])

    def _record(self, loss: Tensor | float) -> None:
        assert self.controller is not None
        self.controller.record(loss)
        self._recorded = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let the controller decide; evaluations before the first step or outside a training are ignored."""
        metrics = kwargs.get("metrics") or {}
        if self._hook is not None and self._monitor in metrics:
            self._step(metrics[self._monitor])

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let the controller decide where nothing is evaluated."""
        if args.eval_strategy == "no":
            self._step(None)

    def _step(self, val_loss: float | None) -> None:
        assert self.controller is not None
        if self._recorded:
            self._recorded = False
            self.controller.step(val_loss=val_loss)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Add the controller's state to the checkpoint folder."""
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if self.controller is not None and state.is_world_process_zero and folder.is_dir():
            torch.save(self.controller.state_dict(), folder / STATE_FILE)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the hook off the model."""
        self._hook.remove()
        self._hook = None
