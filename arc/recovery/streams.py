"""Copies from CUDA devices to the host, beside what the devices compute."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


class Streams:
    """Side streams of the CUDA devices that copies to pinned host memory run on; nothing on other devices.

    Copies come in rounds, from :meth:`begin` to :meth:`end`; :meth:`to_host` returns before its copy has
    ended. Before the host values are read :meth:`finish` must be called; before the device's own values
    change, :meth:`hold`.
    """

    def __init__(self) -> None:
        self.captured = False
        """Whether a step was seen that a CUDA graph captured."""
        self._side: dict[torch.device, torch.cuda.Stream] = {}
        self._used: set[torch.device] = set()  # in this round
        self._joined: set[torch.device] = set()  # of them, those whose side stream is behind the current one
        self._ended: dict[torch.device, torch.cuda.Event] = {}
        self._held = True
        self._hooked = False

    def __reduce__(self) -> tuple[type[Streams], tuple[()]]:
        """Neither streams nor the hooks on optimizers are copied or pickled: a copy has its own."""
        self.finish()
        return Streams, ()

    def begin(self) -> None:
        """Copies from now on see what the devices' current streams have computed up to here."""
        self.finish()
        self._used, self._joined = set(), set()

    def to_host(self, host: Tensor, source: Tensor, *, at_once: bool = False) -> None:
        """Copy into ``host``, asynchronously from a CUDA device into pinned memory.

        With ``at_once`` the device's current stream copies, so that what it does next may write ``source``.
        Those copies come first in a round: the side stream begins behind them.
        """
        device = source.device
        if device.type != "cuda":
            host.copy_(source)
            return
        self._used.add(device)
        if at_once:
            host.copy_(source, non_blocking=True)
            return
        side = self._side_of(device)
        with torch.cuda.stream(side):
            host.copy_(source, non_blocking=True)
        source.record_stream(side)  # its memory is not given to others before the copy has ended

    def _side_of(self, device: torch.device) -> torch.cuda.Stream:
        side = self._side.get(device)
        if side is None:
            side = self._side[device] = torch.cuda.Stream(device)
        if device not in self._joined:
            side.wait_stream(torch.cuda.current_stream(device))
            self._joined.add(device)
        return side

    def end(self) -> None:
        """All copies of this round are under way."""
        self._ended = {device: self._side_of(device).record_event() for device in self._used}
        self._held = not self._ended

    def hold(self) -> None:
        """Let the devices' current streams wait for the copies; the host does not wait."""
        if not self._held:
            for device, event in self._ended.items():
                torch.cuda.current_stream(device).wait_event(event)
            self._held = True

    def wait_before_steps(self, optimizers: Sequence[Any]) -> None:
        """The next step of an optimizer writes what a copy may still be reading: it waits on the device.

        A step in a CUDA graph calls no hook when it is replayed: with ``capturable`` groups, and once a step
        was captured, the device waits at once.
        """
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        hooks = [getattr(optimizer, "register_step_pre_hook", None) for optimizer in optimizers]
        if self.captured or any(group.get("capturable") for group in groups) or None in hooks:
            self.hold()
        elif not self._hooked and any(p.is_cuda for group in groups for p in group.get("params", ())):
            streams = weakref.ref(self)

            def hold(*_: Any) -> None:
                if (found := streams()) is not None:
                    found.before_step()

            for register in hooks:
                register(hold)  # type: ignore[misc]
            self._hooked = True

    def before_step(self) -> None:
        """An optimizer's step comes next; a captured one cannot wait for what is outside the capture."""
        if torch.cuda.is_current_stream_capturing():
            self.captured = True
        else:
            self.hold()

    def finish(self) -> None:
        """Wait until the copies are complete."""
        self.hold()
        for event in self._ended.values():
            event.synchronize()
        self._ended = {}


def arrive(tensors: Iterable[Tensor]) -> None:
    """Wait until what was put there is on the tensors' devices, whatever stream reads it next."""
    for device in {tensor.device for tensor in tensors if tensor.is_cuda}:
        torch.cuda.current_stream(device).synchronize()
