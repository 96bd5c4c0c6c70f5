"""The training loss of every optimizer step, from what a model puts out in its forward passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class OutputLosses:
    """Reads the losses of a model's outputs by a forward hook, without a synchronisation.

    A model that was handed ``num_items_in_batch`` has divided its loss by a step's micro-batches already.

    Attributes:
        seen: whether an output had a loss.
    """

    def __init__(self) -> None:
        self.seen = False
        self._hook: Any = None
        self._loss: Tensor | None = None  # of the last forward pass
        self._losses: list[Tensor] = []  # of the micro-batches since the last optimizer step
        self._divided = False

    @property
    def attached(self) -> bool:
        """Whether a model is watched."""
        return self._hook is not None

    def attach(self, model: nn.Module) -> None:
        """Watch a model from here on."""
        self._loss, self._losses = None, []
        self._hook = model.register_forward_hook(self._see, with_kwargs=True)

    def detach(self) -> None:
        """Let go of it."""
        self._hook.remove()
        self._hook = None

    def _see(self, model: nn.Module, inputs: Any, named: Mapping[str, Any], output: Any) -> None:
        if not model.training:
            return
        loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if isinstance(loss, Tensor) and loss.numel() == 1:
            self._loss = loss.detach().reshape(())
            self._divided = named.get("num_items_in_batch") is not None
            self.seen = True

    def end_micro_batch(self) -> None:
        """Keep the loss of its last forward pass."""
        loss, self._loss = self._loss, None
        if loss is not None:
            self._losses.append(loss)

    def end_step(self) -> Tensor | None:
        """The loss of the optimizer step that ends, over its micro-batches; None where no output had one."""
        self.end_micro_batch()
        losses, self._losses = self._losses, []
        if not losses:
            return None
        total = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        return total if self._divided else total / len(losses)
