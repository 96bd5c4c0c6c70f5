"""The training losses of one period, in bounded memory and without a synchronisation per step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from arc.history.blocks import blocks, stretches
from arc.history.course import Call
from arc.tensors import number

CAPACITY: Final = 1024
"""Losses kept per period."""

Loss = float | int | np.number[Any] | Tensor


class LossBuffer:
    """Keeps every loss until :data:`CAPACITY` is reached, then every 2nd, every 4th, and so on.

    A kept loss is one that was recorded: dropping keeps the noise level that the network knows, where
    averaging would not. A full buffer holds 513 to 1,024 losses, so a feature value (a hundredth of a
    period) is taken less than 1/1024 of the period away from its place (half a stride).

    Tensors on the host become numbers at once. Others are copied into a buffer on their device; nothing
    crosses to the host before it is asked for. The buffer's last slot is the sum of what was not kept:
    only whether it is finite matters.

    Args:
        read_host: False treats the host's tensors like those of a device.
    """

    def __init__(self, *, read_host: bool = True) -> None:
        self._read_host = read_host
        self._slots: tuple[Tensor, ...] = ()
        self._device_values: Tensor | None = None
        self.clear()

    def clear(self) -> None:
        """Start a new period; a buffer on a device stays, because it costs more than a decision."""
        self.stride = 1
        self._seen = 0
        self._count = 0
        self._call_start = 0
        self._values: list[float] = []
        self._dropped = 0.0
        if self._device_values is not None:
            self._slots[CAPACITY].zero_()

    def __len__(self) -> int:
        return self._count

    def add(self, loss: Loss) -> None:
        """Take one loss: a number, or a real tensor with one element (TypeError, ValueError)."""
        if isinstance(loss, Tensor):
            if loss.is_cpu and self._read_host:
                value = loss.item() if loss.dim() == 0 else loss
                self._add_number(value if type(value) is float else number(value, "loss"))
            else:
                self._add_tensor(loss)
        else:
            self._add_number(loss if type(loss) is float else number(loss, "loss"))

    def _add_number(self, loss: float) -> None:
        if self._keeps_next():
            if self._device_values is None:
                self._values.append(loss)
            else:
                self._slots[self._count].fill_(loss)
            self._count += 1
        else:
            self._dropped += loss

    def _add_tensor(self, loss: Tensor) -> None:
        if loss.dim():
            if loss.numel() != 1:
                raise ValueError(f"got a loss of shape {tuple(loss.shape)}, need one value (its mean?)")
            loss = loss.reshape(())
        if loss.is_complex() or loss.dtype == torch.bool:
            raise TypeError(f"got a loss of {loss.dtype}, need a real number")
        if self._device_values is None:
            self._move_to(loss.device)
        if self._keeps_next():
            self._slots[self._count].copy_(loss.detach())
            self._count += 1
        else:
            self._slots[CAPACITY].add_(loss.detach())

    def _keeps_next(self) -> bool:
        """Whether the next loss is one of those kept; makes room for it."""
        keep = self._seen % self.stride == 0
        self._seen += 1
        if keep and self._count == CAPACITY:
            self._thin_out()
            keep = (self._seen - 1) % self.stride == 0
        return keep

    def _thin_out(self) -> None:
        if self._device_values is None:
            self._dropped += sum(self._values[1::2])
            self._values = self._values[::2]
        else:
            self._slots[CAPACITY].add_(self._device_values[1:CAPACITY:2].sum())
            self._device_values[: CAPACITY // 2] = self._device_values[:CAPACITY:2].clone()
        self._count = CAPACITY // 2
        self._call_start = (self._call_start + 1) // 2
        self.stride *= 2

    def _move_to(self, device: torch.device) -> None:
        with torch.inference_mode(False):  # an inference tensor could not be written later
            self._device_values = torch.zeros(CAPACITY + 1, device=device)
            self._slots = self._device_values.unbind()
        if self._values:
            self._device_values[: self._count] = torch.tensor(self._values)
            self._values = []

    # -- what crosses to the host ----------------------------------------------------------------

    def end_call(self, lr: float, steps: int) -> Call:
        """End a call, in one transfer of at most 4 kB; NaN and nothing if there was no loss.

        ``bad`` is small and above 0 where only losses are not finite that were not kept.
        """
        period, dropped = self._on_host()
        found = Call(lr=lr, steps=steps, kept=self._count, stride=self.stride)
        if not period:
            return found
        since = period[min(self._call_start, len(period) - 1) :]
        self._call_start = len(period)
        if not math.isfinite(dropped):  # told once: the next call has losses of its own
            self._dropped = 0.0
            if self._device_values is not None:
                self._slots[CAPACITY].zero_()
        finite = since if math.isfinite(sum(since)) else [loss for loss in since if math.isfinite(loss)]
        bad = 1 - len(finite) / len(since) or (0.0 if math.isfinite(dropped) else 1 / CAPACITY)
        if not math.isfinite(sum(period)):  # an earlier call of the period may have had a bad one
            period = [loss for loss in period if math.isfinite(loss)]
        found = replace(found, bad=bad, losses=period)
        if not finite:
            return found
        means, spreads = blocks(finite)
        return replace(
            found,
            mean=sum(finite) / len(finite),
            first=finite[0],
            blocks=stretches(finite),
            means=means,
            spreads=spreads,
        )

    def values(self) -> list[float]:
        """The kept losses of the period, oldest first; one transfer."""
        return self._on_host()[0]

    def _on_host(self) -> tuple[list[float], float]:
        """The kept losses, and a number that is finite if all others were; lists, as NumPy is slower here."""
        if self._device_values is None:
            return list(self._values), self._dropped
        slots = self._device_values.cpu().numpy()
        values: list[float] = slots[: self._count].tolist()
        return values, self._dropped + float(slots[CAPACITY])

    def call_values(self) -> list[float]:
        """The kept losses since the last call, oldest first; one transfer. To be asked before end_call."""
        return [float(v) for v in self.values()[min(self._call_start, self._count - 1) :]]

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        values, dropped = self._on_host()
        return {
            "values": values,
            "stride": self.stride,
            "seen": self._seen,
            "call_start": self._call_start,
            "dropped": dropped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`, on whatever device the next loss comes from."""
        self._slots, self._device_values = (), None
        self.clear()
        self._values = [float(v) for v in state["values"]]
        self._count = len(self._values)
        self.stride, self._seen = int(state["stride"]), int(state["seen"])
        self._call_start, self._dropped = int(state["call_start"]), float(state["dropped"])
