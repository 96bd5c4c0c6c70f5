"""Hugging Face ``Trainer`` callback (``pip install 'arc-lr[hf]'``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arc.decision import Decision
from arc.integrations.build import Adapter, adopted, allowed, announce, build, logged
from arc.integrations.monitor import Monitor
from arc.integrations.output_losses import OutputLosses
from arc.integrations.plan import of_transformers, running, tell_of_decay

try:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as missing:
    raise ImportError(
        "arc.integrations.transformers needs transformers: pip install 'arc-lr[hf]'"
    ) from missing

STATE_FILE = "arc_controller.pt"
"""The controller's state inside each of the trainer's checkpoint folders."""


class ARCCallback(Adapter, TrainerCallback):
    """Drives the LR of a ``Trainer``.

    The trainer's scheduler rewrites the LR in every step, even with ``lr_scheduler_type="constant"``; its
    base LRs are scaled along. Take ``constant`` or ``constant_with_warmup``: another schedule (``linear`` is
    the trainer's default) goes on falling whatever the controller does, which is said once.

    The training loss of every optimizer step is read from the model's output, without a synchronisation: the
    mean over its micro-batches (a model that was handed ``num_items_in_batch`` has divided by it already).
    Where the model's output has no loss (a ``compute_loss`` of one's own) the logged one is used. Steps that
    a GradScaler skipped are left out.

    The controller is called after every evaluation, or after every epoch where ``eval_strategy`` is ``no``;
    how often that is (``total_calls``) the callback knows from ``max_steps``, ``eval_steps`` and
    ``num_train_epochs``. Beside an :class:`arc.Scheduler` in ``Trainer(optimizers=...)`` the callback records
    the training losses and nothing else. A decision goes to what the trainer logs to (``report_to``) as
    ``arc_factor``, with ``arc_distance`` (decades from the best LR, as estimated).

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the evaluation's loss. With a dictionary of evaluation sets ``eval_loss`` is that of the
            first one (said once); ``eval_<name>_loss`` names one of them, a list of names their mean.
        resume_from: the checkpoint folder that a resumed training starts from; by default
            ``<output_dir>/checkpoint-<step>``.
        settings: those of :class:`arc.Controller`; scheduler, model and ``total_calls`` are added, and
            ``verbose`` is True.

    Raises:
        ValueError: at an evaluation without the loss to monitor; the metrics that there are are listed.
    """

    begins = "trainer.train()"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        monitor: str | Sequence[str] = "eval_loss",
        resume_from: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self._path = path
        self._monitor = Monitor(monitor)
        self._resume_from = resume_from
        self._settings = allowed(self, settings)
        self._outputs = OutputLosses()
        self._recorded = False
        self._told = False
        self._step_seen = 0
        self._calls = True  # an arc.Scheduler is called by the trainer
        self._trainer: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Build the controller on the trainer's optimizer and scheduler."""
        optimizer, model, scheduler = kwargs["optimizer"], kwargs["model"], kwargs["lr_scheduler"]
        optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate's wrapper
        self._made = adopted(scheduler, self._path, self._settings)
        self._calls = self._made is None
        self._trainer = running()
        self._recorded, self._step_seen = False, state.global_step
        if self._made is None:
            calls = of_transformers(args, state)
            self._made = build(
                optimizer, self._path, self._settings, scheduler=scheduler, model=model, calls=calls
            )
            tell_of_decay(scheduler, args, state)
            if state.global_step:
                self._resume(args, state)
        self._outputs.attach(model)

    def _resume(self, args: TrainingArguments, state: TrainerState) -> None:
        folder = Path(self._resume_from or Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        file = folder / STATE_FILE
        if not file.is_file():
            warnings.warn(f"no {file}: the controller starts afresh; pass resume_from=", stacklevel=3)
            return
        found = torch.load(file, map_location="cpu", weights_only=True)
        self.controller.load_state_dict(found)
        self._recorded = found["records"] > 0

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keep the loss of a micro-batch: of its last forward pass, as the trainer has scaled it by now."""
        self._outputs.end_micro_batch()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the loss of the optimizer step, if it was applied."""
        self._monitor.end_round()
        loss = self._outputs.end_step()
        if loss is not None and not getattr(kwargs.get("optimizer"), "step_was_skipped", False):
            self._record(loss)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the logged loss, where the model's output has none."""
        logs = kwargs.get("logs") or {}
        if not self._outputs.seen and "loss" in logs and self._outputs.attached:
            self._record(logs["loss"])

    def _record(self, loss: Tensor | float) -> None:
        self.controller.record(loss)
        self._recorded = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let the controller decide; evaluations before the first step or outside a training are ignored."""
        if self._outputs.attached and state.global_step and self._calls:
            value = self._monitor.value(kwargs.get("metrics") or {})
            if value is not None:
                self._step(value, args, state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let the controller decide where nothing is evaluated."""
        if args.eval_strategy == "no":
            self._step(None, args, state)

    def _step(self, val_loss: float | None, args: TrainingArguments, state: TrainerState) -> None:
        if not self._calls:
            return
        if self._recorded:
            steps = state.global_step - self._step_seen  # a logged loss is a mean over several
            self._recorded, self._step_seen = False, state.global_step
            decision = self.controller.step(val_loss=val_loss, steps=steps or None)
            announce(decision, self._settings, self.where(args, state))
            self._log(decision)
        elif not self._outputs.seen and not self._told:
            self._told = True
            warnings.warn(
                "no decision: the model's output has no loss, and none was logged since the last evaluation: "
                "take logging_steps no larger than eval_steps, or logging_strategy='epoch'",
                stacklevel=3,
            )

    def where(self, args: TrainingArguments, state: TrainerState) -> str:
        """The place in the training, counted as its evaluations are."""
        steps = args.eval_strategy == "steps"
        return f"step {state.global_step}" if steps else f"epoch {state.epoch or 0:.3g}"

    def _log(self, decision: Decision | None) -> None:
        """A decision to whatever the trainer logs to (``report_to``), and into its log history.

        Trainer's own method: those of its heirs (TRL) add means of their own, which begin anew with it.
        """
        if decision is not None and self._trainer is not None:
            Trainer.log(self._trainer, logged(decision, "_"))

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Add the controller's state to the checkpoint folder."""
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if self._calls and self._made and state.is_world_process_zero and folder.is_dir():
            torch.save(self.controller.state_dict(), folder / STATE_FILE)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the hook off the model."""
        self._monitor.end_round()
        self._outputs.detach()
