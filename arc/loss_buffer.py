"""The training losses of one period, in bounded memory and without a synchronisation per step."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from arc.numbers import number

CAPACITY: Final = 1024
"""Losses kept per period."""

Values = npt.NDArray[np.float64]
Loss = float | int | np.number[Any] | Tensor


class LossBuffer:
    """Keeps every loss until :data:`CAPACITY` is reached, then every 2nd, every 4th, and so on.

    A kept loss is one that was recorded: dropping keeps the noise level that the network knows, where
    averaging would not. A full buffer holds 512 to 1,024 losses, so a feature value (a hundredth of a
    period) is taken at most 1/512 of the period away from its place.

    Tensors are copied into a buffer on their device; nothing crosses to the host before it is asked for.
    """

    def __init__(self) -> None:
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
        self._dropped: float | Tensor = 0.0

    def __len__(self) -> int:
        return self._count

    def add(self, loss: Loss) -> None:
        """Take one loss: a number, or a real tensor with one element (TypeError, ValueError)."""
        if isinstance(loss, Tensor):
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
            self._dropped = self._dropped + loss

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
            self._dropped = self._dropped + loss.detach()

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
            self._dropped = self._dropped + sum(self._values[1::2])
            self._values = self._values[::2]
        else:
            self._dropped = self._dropped + self._device_values[1::2].sum()
            self._device_values[: CAPACITY // 2] = self._device_values[::2].clone()
        self._count = CAPACITY // 2
        self._call_start = (self._call_start + 1) // 2
        self.stride *= 2

    def _move_to(self, device: torch.device) -> None:
        with torch.inference_mode(False):  # an inference tensor could not be written later
            self._device_values = torch.zeros(CAPACITY, device=device)
            self._slots = self._device_values.unbind()
        if self._values:
            self._device_values[: self._count] = torch.tensor(self._values)
            self._values = []

    # -- what crosses to the host ----------------------------------------------------------------

    def end_call(self) -> tuple[float, float, float, float]:
        """Mean, smallest, largest and first loss since the last call, in one transfer.

        The mean is NaN or infinite if any loss was, those that were not kept included.
        """
        start = min(self._call_start, self._count - 1)
        self._call_start = self._count
        if self._device_values is None:
            values = self._values[start:]
            mean = sum(values) / len(values) + 0.0 * float(self._dropped)
            return mean, min(values), max(values), values[0]
        part = self._device_values[start : self._count]
        low, high = part.aminmax()
        ends = torch.stack([part.mean() + 0.0 * self._dropped, low, high, part[0]]).tolist()
        return ends[0], ends[1], ends[2], ends[3]

    def values(self) -> Values:
        """The kept losses of the period, oldest first, float64; one transfer."""
        if self._device_values is None:
            return np.array(self._values)
        return self._device_values[: self._count].cpu().numpy().astype(np.float64)

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "values": self.values().tolist(),
            "stride": self.stride,
            "seen": self._seen,
            "call_start": self._call_start,
            "dropped": float(self._dropped),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`, on whatever device the next loss comes from."""
        self._slots, self._device_values = (), None
        self.clear()
        self._values = [float(v) for v in state["values"]]
        self._count = len(self._values)
        self.stride, self._seen = int(state["stride"]), int(state["seen"])
        self._call_start, self._dropped = int(state["call_start"]), float(state["dropped"])
